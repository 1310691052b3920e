"""`python -m study`: the command line where no script is installed."""

from __future__ import annotations

import os
import sys


def _leave_current_folder() -> None:
    """Take the folder that ``-m`` has put first off Python's path, unless this package is in it.

    What lies there under the name of a library would be imported instead of it.
    """
    here = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120
    if not sys.flags.safe_path and os.path.realpath(sys.path[0]) != here:
        del sys.path[0]


if __name__ == "__main__":
    _leave_current_folder()
    from study.commands.main import main

    sys.exit(main())
