"""Codecs in MLflow's model registry: put there as data, taken out as codecs, nothing of it run."""
