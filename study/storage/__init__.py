"""The truth about a study: its file, Optuna's storage, its folder, and who may write to them."""
