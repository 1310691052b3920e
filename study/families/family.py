"""What the platform asks of a family of models, besides its settings."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, cast

from model.folder_files import read_description
from study.base.errors import StudyError
from study.config.family import FAMILIES, FamilySettings, lacks, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from model.codec_folder import SavedCodec
    from study.cohorts.work import Work
    from study.config import CohortConfig, TrialConfig
    from study.data.patch_form import PatchForm
    from study.training.architecture import Architecture


class Family(FamilySettings, Protocol):
    """A family of models: `study.config.family.FamilySettings`, and how they are trained.

    Making one imports nothing slow; what is slow is imported when it is asked for.

    Attributes:
        worker_modules: what workers import before they get a cohort, as it takes seconds.
    """

    @property
    def worker_modules(self) -> Sequence[str]:
        """See above."""

    def patches(self, geometry: Any) -> PatchForm:  # noqa: ANN401  what its `geometry` returned
        """Return what is stored of a patch."""

    def architecture(self, model: Any) -> Architecture:  # noqa: ANN401  its own section
        """Return the networks of these settings."""

    def open_codec(self, folder: Path) -> SavedCodec:
        """Read a codec of this family that was exported.

        Raises:
            CodecError: it is of another, or its files are damaged.
        """

    def work(self, cohort: CohortConfig, device: str) -> Work:
        """Return what a cohort does, at its first epoch.

        Args:
            cohort: whose trials are all of this family.
            device: "cpu" or "cuda".
        """

    def stopwatch(self, trial: TrialConfig, device: str) -> Callable[[int], float | None]:
        """Return a function from a number of trials like this one to the seconds of their step.

        It runs in a process with a cohort's resources, and returns None where memory runs out.
        """


def own_family(folder: Path) -> str | None:
    """Return the family of this program that wrote a codec by itself, if one did.

    What a folder says is compared with a list, and nothing that it names is imported.

    Raises:
        CodecError: there is no codec.
    """
    architecture = read_description(folder).get("architecture")
    told = architecture.get("family") if isinstance(architecture, dict) else None
    return next((name for name, place in FAMILIES.items() if place == told), None)


@cache
def family_of(name: str) -> Family:
    """Return a family by its name, or by where it is: ``module:Class``.

    Raises:
        StudyError: there is no such family, or it lacks something.
    """
    found = settings_of(name)
    if lacking := lacks(type(found), Family):
        raise StudyError(
            f"family: {name} must have all that a family has, and lacks {', '.join(lacking)}; see "
            "docs/families.md"
        )
    return cast("Family", found)
