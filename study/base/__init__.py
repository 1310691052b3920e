"""What every package may use: errors, records of trials, seeds, and small helpers."""
