"""What a study tries: its space, checked before anything starts, and who proposes from it."""
