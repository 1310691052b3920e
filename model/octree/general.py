"""The tables that come with the package, for objects and scenes of any kind.

They were trained on furniture, people and things that share no object with the embedded ones
(`tools/general_tables.py`, NOTICE), so codecs that begin with them may be measured on those. Files
that begin with them say so by a flag: they never change, or old files could not be read.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from model.octree.packed import unpack

if TYPE_CHECKING:
    from model.octree.tables import OctreeTables

FILE = "general.npz"


@cache
def general_tables() -> OctreeTables:
    """The tables, read once."""
    return unpack((resources.files("model.octree") / FILE).read_bytes())
