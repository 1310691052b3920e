"""The rules of the layout: who may import what, and how long a file may grow.

Imports are read from the syntax tree, so lazy ones inside functions count too.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PACKAGES = ("losses", "model", "study")
MAX_LINES = 330
"""What is refused. Aim at 300 (CONTRIBUTING.md): the rest is room to finish a change in."""

# What each package may import besides the standard library and itself.
MAY_IMPORT = {
    "losses": {"torch"},
    "model": {
        *("compressai", "fpsample", "numpy", "pykdtree", "safetensors", "scipy", "torch", "triton")
    },
}

# The platform's libraries, and the only files that may import them: whoever replaces one, or meets
# a new release of it, has these files to read and no other.
CONFINED = {
    "ray": {
        "study/driver/cluster.py",
        "study/driver/planning.py",
        "study/driver/searcher.py",
        "study/driver/sizing.py",
        "study/driver/stopping.py",
        "study/workers/trainable.py",
        "study/driver/tuning.py",
    },
    "optuna": {
        "study/storage/database.py",
        "study/search/importance.py",
        "study/search/repeatable.py",
        "study/search/samplers.py",
        "study/storage/trial_store.py",
        "study/storage/study_attributes.py",
        "study/storage/trial_rows.py",
    },
    "mlflow": {
        "study/registry/fetching.py",
        "study/registry/registering.py",
        "study/tracking/client.py",
        "study/tracking/ledger.py",
        "study/tracking/runs.py",
    },
    "pyarrow": {
        "study/data/store.py",
        "study/report/tables.py",
        "study/simulation/table_file.py",
        "study/search/warm_start.py",
    },
    # It comes with torch, but not everywhere: the file that imports it is itself imported lazily.
    "triton": {"model/nearest_triton.py"},
}

# The platform's packages and modules, from what all may use to what the user starts. Each imports
# from its own layer and those above it in this list; imports for the type checker alone are free.
LAYERS = (
    {"addresses", "errors", "front_door", "nearest", "output", "records", "seeds"},
    {"clouds", "fronts", "metrics"},
    {"data"},
    {"config"},
    {"training"},
    {"workers"},
    {"halting", "search", "storage", "study_file"},
    {"report"},
    {"tracking"},
    {"registry"},
    {"codecs"},
    {"driver"},
    {"simulation"},
    {"commands"},
    {"__init__", "__main__", "cli"},
)


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> Iterator[str]:
    """The top-level packages that a file imports, at its head or anywhere inside."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}: imports are absolute"
            assert node.module is not None
            yield node.module.partition(".")[0]


def part(dotted: str) -> str:
    """The package or module of the platform that a module's dotted name lies in."""
    return dotted.removeprefix("study").removeprefix(".").partition(".")[0] or "__init__"


def used_parts(path: Path) -> Iterator[str]:
    """The parts of the platform that a file imports, but for the type checker."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node not in for_types:
            module = node.module or ""
            if module == "study":
                yield from (alias.name for alias in node.names)
            elif module.startswith("study."):
                yield part(module)


def test_every_part_of_the_platform_has_a_layer() -> None:
    parts = {part(name(path).removesuffix(".py").replace("/", ".")) for path in sources("study")}
    listed = [each for layer in LAYERS for each in layer]
    assert sorted(listed) == sorted(parts)


def test_imports_go_one_way() -> None:
    level = {each: depth for depth, layer in enumerate(LAYERS) for each in layer}
    offences = []
    for path in sources("study"):
        own = part(name(path).removesuffix(".py").replace("/", "."))
        offences += [(name(path), used) for used in used_parts(path) if level[used] > level[own]]
    assert offences == []


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_packages_below_the_study_import_only_what_they_may(package: str) -> None:
    allowed = MAY_IMPORT[package] | {package} | set(sys.stdlib_module_names)
    offences = {name(path): set(imported(path)) - allowed for path in sources(package)}
    assert {path: what for path, what in offences.items() if what} == {}


@pytest.mark.parametrize("library", sorted(CONFINED))
def test_platform_libraries_stay_in_their_files(library: str) -> None:
    users = {name(path) for path in sources(*PACKAGES) if library in imported(path)}
    assert users == CONFINED[library]


def test_files_stay_short() -> None:
    folders = (*PACKAGES, "benchmarks", "tests")
    lengths = {name(p): len(p.read_text(encoding="utf-8").splitlines()) for p in sources(*folders)}
    assert {path: length for path, length in lengths.items() if length > MAX_LINES} == {}
