"""Errors that a user can cause and mend."""

from __future__ import annotations


class StudyError(ValueError):
    """Something the user gave cannot be used.

    The message is a whole sentence: what must hold, what was given, and what to do. The command
    line prints it after ``error:`` and exits with code 2; no traceback is shown.
    """
