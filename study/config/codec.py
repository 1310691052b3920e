"""Who codes the files of finished codecs."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from study.config.section import Section


class CodecSection(Section):
    """Who codes the files of finished codecs."""

    members: tuple[Literal["learned", "octree"], ...] = Field(
        ("learned",),
        description="[learned]: the trained codec alone; [learned, octree]: each file, and each "
        "patch in it, is coded by the member that is cheaper at equal quality (docs/codecs.md). "
        "Epochs estimate the trained codec alone; what is measured and exported has both",
    )

    @property
    def has_octree(self) -> bool:
        """Whether the octree is a member."""
        return "octree" in self.members

    @model_validator(mode="after")
    def _check_members(self) -> Self:
        if self.members not in {("learned",), ("learned", "octree")}:
            message = (
                f"members must be [learned] or [learned, octree], not [{', '.join(self.members)}]"
            )
            raise ValueError(message)
        return self
