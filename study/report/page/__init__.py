"""The front as a page: one file that holds the trials and the scripts that draw them."""

from __future__ import annotations

from study.report.page.assembling import Tab, write_page

__all__ = ["Tab", "write_page"]
