"""MLflow as an observer: told everything, waited for never."""
