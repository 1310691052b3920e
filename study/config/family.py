"""Families of models, as far as a study file speaks of them: their keys, spaces and words.

Everything here is light: a family is asked by commands that import no PyTorch. What trains and
codes is `study.families.family.Family`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from study.base.errors import StudyError
from study.base.importing import imported
from study.base.spelling import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from study.config.ranges import Range
    from study.config.section import Section
    from study.config.training import TrainingSection

DPCC = "dpcc"
"""The family of a study file that names none."""

FAMILIES: Mapping[str, str] = {
    DPCC: "study.families.dpcc.family:Dpcc",
    "vae": "study.families.vae.family:Vae",
    "voxel": "study.families.voxel.family:Voxel",
}
"""Those that come with the platform, and where. Nothing else in it names one."""


class Dependent(NamedTuple):
    """A setting that matters in one mode of the model only.

    Attributes:
        name: dotted, such as ``loss.normal_coe``.
        switch: the key of `model` that it depends on.
        value: what the switch must be.
    """

    name: str
    switch: str
    value: bool


class FamilySettings(Protocol):
    """What a study file says of the models of a family.

    Attributes:
        name: what people call it, such as D-PCC.
        model, loss, training: the classes of the sections of those names; two trials of equal
            `model` have networks of equal shape.
        normals_switch: the key of `model` that says whether normals are coded; None: they never
            are.
        dependent: settings that would go unread in some modes.
        takes_octree: whether `codec.members` may have the octree: its codecs are `CloudCodec`s.
    """

    @property
    def name(self) -> str:
        """See above."""

    @property
    def model(self) -> type[Section]:
        """See above."""

    @property
    def loss(self) -> type[Section]:
        """See above."""

    @property
    def training(self) -> type[TrainingSection]:
        """See above."""

    @property
    def normals_switch(self) -> str | None:
        """See above."""

    @property
    def dependent(self) -> tuple[Dependent, ...]:
        """See above."""

    @property
    def takes_octree(self) -> bool:
        """See above."""

    def default_space(self) -> dict[str, Range]:
        """Return what is searched where a study file does not say.

        The first trial of every study has the family's own defaults of these settings: its
        published coefficients.
        """

    def geometry(self, model: Any) -> Hashable:  # noqa: ANN401 (its own section)
        """Return the part of `model` that shapes prepared data: equal ones share a data set."""


@cache
def settings_of(name: str) -> FamilySettings:
    """Return a family by its name, or by where it is: ``module:Class``.

    Raises:
        StudyError: there is no such family, or it is none.
    """
    if name not in FAMILIES and ":" not in name:
        raise StudyError(
            f"there is no family '{name}'; {did_you_mean(name, FAMILIES)} A family of your own is "
            "given as module:Class"
        )
    kind = imported("family", name, FAMILIES.get(name, name))
    if not isinstance(kind, type):
        raise StudyError(f"family: {name} must be a class, and is none; give module:Class")
    # What a base class wants of it is abstract there.
    if lacking := lacks(kind, FamilySettings) + sorted(getattr(kind, "__abstractmethods__", ())):
        raise StudyError(
            f"family: {name} must have all that a family has, and lacks {', '.join(lacking)}; see "
            "docs/families.md"
        )
    try:
        found: FamilySettings = kind()
    except TypeError as error:
        raise StudyError(
            f"family: {name} must be made without arguments, and is not ({error}); give all of "
            "them defaults"
        ) from error
    return found


def lacks(kind: type, protocol: type) -> list[str]:
    """Return the members of a protocol that a class does not have."""
    return [name for name in vars(protocol) if name[0] != "_" and not hasattr(kind, name)]


def published(family: FamilySettings) -> dict[str, Any]:
    """Return the settings that the first trial of every study has, whatever the study file says."""
    own = {"model": family.model, "loss": family.loss, "training": family.training}
    found = {}
    for name in family.default_space():
        section, _, field = name.partition(".")
        found[name] = own[section].model_fields[field].default
    return found


def codes_normals(family: FamilySettings, model: Section) -> bool:
    """Tell whether a codec with these settings codes normals too."""
    return family.normals_switch is not None and bool(getattr(model, family.normals_switch))


def require_octree(name: str) -> None:
    """Refuse the octree as a member of a codec of a family that does not take it.

    Raises:
        StudyError: it does not.
    """
    if not settings_of(name).takes_octree:
        raise StudyError(
            f"codec.members has octree, and codecs of the family {name} code clouds without one; "
            "set codec.members: [learned]"
        )
