"""What the tests of the platform share: the toy trials, which Ray's workers import too."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import study.training.exact  # noqa: F401  before a test multiplies matrices

ROOT = str(Path(__file__).parents[2])

sys.path.insert(0, ROOT)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
