"""Reads a study file and checks it: each value by itself, then all of them against each other.

Search and halting each check what they will obey. The checks are called here, so that neither needs
to know the other.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.config.yaml_file import parse_config, read_config
from study.halting.rules import check_halting
from study.search.architectures import check_architectures
from study.search.search_checks import check_search
from study.search.space_checks import check_space

if TYPE_CHECKING:
    from study.config import StudyConfig

QUICKSTART = Path(__file__).parents[1] / "quickstart.yaml"
"""The study that `study run` runs when it is given none."""

EMBEDDED = {name: QUICKSTART.with_name(f"{name}.yaml") for name in ("quickstart", "vae", "voxel")}
"""Those that come with the package, by the names that `study run` takes."""


def load_study(path: Path | str) -> StudyConfig:
    """Read and check a study file.

    Raises:
        StudyError: the file cannot be read, is not YAML (with line and column), or says something
            that a study cannot mean (with the dotted path and the nearest valid name).
    """
    return _checked(read_config(Path(path)), origin=str(path))


def parse_study(text: str, *, origin: str) -> StudyConfig:
    """Read and check a study file's text, which `origin` names in sentences.

    Raises:
        StudyError: as in `load_study`.
    """
    return _checked(parse_config(text, origin=origin), origin=origin)


def check_study(config: StudyConfig) -> None:
    """Check what a study says of its search and its halting against all that it says.

    Raises:
        StudyError: it asks for something that cannot be, or that would go unread.
    """
    check_space(config)
    check_halting(config)
    check_search(config)
    check_architectures(config)


def _checked(config: StudyConfig, *, origin: str) -> StudyConfig:
    try:
        check_study(config)
    except StudyError as error:
        message = f"{origin}: {error}"
        raise StudyError(message) from error
    return config
