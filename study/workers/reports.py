"""What workers and the driver call the parts of a report, which tells what became of one trial."""

from __future__ import annotations

TRIAL = "trial"
EPOCH = "epoch"
METRICS = "metrics"
FINAL = "final"
DIVERGED = "diverged"
CONFIG = "config"
ELAPSED_S = "elapsed_s"
"""Keys of a report."""
