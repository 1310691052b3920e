"""Programs for those who work on the platform, or want to see it hold."""
