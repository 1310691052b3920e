"""Codecs in MLflow's model registry: stored as data, read as codecs, with nothing there run."""
