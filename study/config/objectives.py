"""What a study trades against what, and what a codec must keep to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from study.section import Section


class ObjectiveSection(Section):
    """One objective of the search. Direction and reference have no default."""

    metric: Literal["bpp", "d1_psnr_db"] = Field(
        description="bpp (real bytes, in bits per input point) or d1_psnr_db"
    )
    direction: Literal["minimize", "maximize"] = Field(description="which way is better")
    reference: float = Field(
        description="the worst value that counts: the front's hypervolume is measured from here"
    )
