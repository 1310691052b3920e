"""Training a cohort, many codecs as one model. Knows nothing of Ray, Optuna or MLflow."""
