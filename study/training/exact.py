"""Products of matrices that do not depend on what they are computed beside.

Importing this module asks Intel's library for results that do not depend on where in memory a
matrix lies, unless the environment asks for something else. Otherwise those of small matrices
differ in the last bit between a trial alone and the same trial in a cohort, and Adam turns the last
bit of a gradient that is truly zero into a step (docs/decisions/0026). The library reads the wish
when it is first used.
On an AMD EPYC the step took as long as before, within the noise.
"""

from __future__ import annotations

import os

os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
