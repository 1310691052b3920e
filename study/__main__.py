"""`python -m study`: the command line where no script is installed."""

from __future__ import annotations

import sys

from study.commands.main import main

sys.exit(main())
