"""What a study leaves for its user: pictures of the front, tables of the trials.

The drawing and table libraries are imported when a report is written, not before: the command line
imports this module for the Pareto table and starts fast.
"""

from __future__ import annotations

from study.report.terminal import fitting_front_table, front_table
from study.report.write import ReportFiles, write_report

__all__ = ["ReportFiles", "fitting_front_table", "front_table", "write_report"]
