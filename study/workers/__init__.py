"""What runs on Ray's workers, and how they and the driver tell each other things."""
