"""tools/lock.txt: every package that `make` installs, at one version and with its hashes."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
_MACHINES = tuple(
    {"python_version": "3.11", "python_full_version": "3.11.9", "sys_platform": platform}
    for platform in ("linux", "darwin")
)


class Locked(NamedTuple):
    """What the lock file says of a package: a requirement of one version, and its hashes."""

    requirement: Requirement
    hashes: list[str]

    @property
    def version(self) -> str:
        (only,) = self.requirement.specifier
        assert only.operator == "=="
        return only.version


def locked_packages() -> list[Locked]:
    text = (ROOT / "tools" / "lock.txt").read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [
        Locked(Requirement(line.split(" --hash")[0]), re.findall(r"--hash=(\S+)", line))
        for line in lines
    ]


def asked(extra: str = "dev") -> list[Requirement]:
    """Everything that pyproject.toml asks for with an extra, and with those that this one names."""
    project = PROJECT["project"]
    found = [*project["dependencies"], *PROJECT["build-system"]["requires"]]
    waiting = [extra]
    while waiting:
        for text in project["optional-dependencies"][waiting.pop()]:
            requirement = Requirement(text)
            if requirement.name == project["name"]:
                waiting += sorted(requirement.extras)
            else:
                found.append(text)
    return [Requirement(text) for text in found]


@pytest.mark.parametrize("machine", _MACHINES, ids=lambda machine: machine["sys_platform"])
def test_all_that_is_asked_for_is_locked_within_its_range(machine: dict[str, str]) -> None:
    pins = {
        canonicalize_name(each.requirement.name): each.version
        for each in locked_packages()
        if each.requirement.marker is None or each.requirement.marker.evaluate(machine)
    }
    wrong = {
        str(requirement): pins.get(canonicalize_name(requirement.name))
        for requirement in asked()
        if not requirement.specifier.contains(pins.get(canonicalize_name(requirement.name), "0"))
    }
    assert not wrong, "pyproject.toml asks for what tools/lock.txt does not have: run `make lock`"


def test_every_package_has_hashes_and_comes_from_nowhere_in_particular() -> None:
    assert len(locked_packages()) > 100
    for package in locked_packages():
        assert package.hashes
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", each) for each in package.hashes)
        assert package.requirement.url is None


def test_what_make_installed_is_what_is_locked() -> None:
    if not (Path(sys.prefix) / "installed").exists():
        pytest.skip("this environment was not made by `make`, so its packages may be others")
    here = {canonicalize_name(each.name): each.version for each in distributions()}
    for package in locked_packages():
        marker = package.requirement.marker
        if marker is None or marker.evaluate():
            name = canonicalize_name(package.requirement.name)
            assert here.get(name) == package.version, name
