"""The truth about a study: Optuna's storage, its folder, and who may write to them."""
