"""What runs on Ray's workers: cohorts in training, and what watches over them."""
