"""Recorded learning curves, and studies replayed on them: see docs/simulation.md.

Everything heavy is imported where it is used.
"""

from __future__ import annotations

from pathlib import Path

EMBEDDED = Path(__file__).with_name("embedded.parquet")
"""The table that comes with the package: trials of the embedded objects."""
