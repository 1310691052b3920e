"""The rules of the layout: who may import what, and how long a file may grow.

Imports are read from the syntax tree. So lazy ones inside functions count too, and so do those for
the type checker alone: whoever reads a file has to read what its types are.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

ROOT = Path(__file__).parent.parent
PACKAGES = ("losses", "model", "study")
MAX_LINES = 330
"""What is refused. Aim at 300 (CONTRIBUTING.md): the rest is room to finish a change in."""

# What each package may import besides the standard library and itself.
MAY_IMPORT = {
    "losses": {"geomloss", "torch"},
    "model": {
        *("compressai", "fpsample", "numpy", "pykdtree", "safetensors", "scipy", "torch", "triton")
    },
}

# The platform's libraries, and the only files that may import them: whoever replaces one, or meets
# a new release of it, has these files to read and no other.
CONFINED = {
    "ray": {
        "study/driver/cluster.py",
        "study/driver/local_ray.py",
        "study/driver/planning.py",
        "study/driver/searcher.py",
        "study/driver/sizing.py",
        "study/driver/stopping.py",
        "study/workers/storeroom.py",
        "study/workers/trainable.py",
        "study/driver/tuning.py",
    },
    "optuna": {
        "study/storage/database.py",
        "study/search/importance.py",
        "study/search/repeatable.py",
        "study/search/replayed.py",
        "study/search/samplers.py",
        "study/storage/trial_store.py",
        "study/storage/study_attributes.py",
        "study/storage/trial_rows.py",
    },
    "mlflow": {
        "study/registry/fetching.py",
        "study/registry/registering.py",
        "study/tracking/client.py",
        "study/tracking/creating.py",
        "study/tracking/ledger.py",
        "study/tracking/runs.py",
        "study/tracking/serving.py",
    },
    "obstore": {"study/mirror/objects.py"},
    # What MLflow's server is made of, and the gate before it.
    "starlette": {"study/tracking/gate.py"},
    "uvicorn": {"study/tracking/serving.py"},
    "pyarrow": {
        "study/base/parquet.py",
        "study/data/store.py",
        "study/report/tables.py",
        "study/simulation/table_file.py",
        "study/search/warm_start.py",
        "study/yardsticks/recorded.py",
    },
    # It comes with torch, but not everywhere: the file that imports it is itself imported lazily.
    "triton": {"model/nearest_triton.py"},
}

# The platform's packages and modules, each a layer by itself, from what all may use to what the
# user starts. Each imports from itself and from those before it in this list.
LAYERS = (
    "base",
    "metrics",
    "fronts",
    "clouds",
    "config",
    "data",
    "training",
    "halting",
    "search",
    "storage",
    "mirror",
    "cohorts",
    "zoo",
    "families",
    "workers",
    "checkpoints",
    "report",
    "tracking",
    "registry",
    "codecs",
    "yardsticks",
    "driver",
    "simulation",
    "commands",
    "__main__",
    "__init__",
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


def module_names(root: Path) -> dict[str, Path]:
    """The files of the packages below a folder, by their modules' dotted names."""
    paths = (path for package in PACKAGES for path in (root / package).rglob("*.py"))
    found = {".".join(path.relative_to(root).with_suffix("").parts): path for path in paths}
    return {dotted.removesuffix(".__init__"): path for dotted, path in found.items()}


def imported_modules(path: Path, known: Collection[str]) -> set[str]:
    """Which of the known modules a file imports, at its head, in a function or for its types."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # What is imported from a package is one of its modules, or a name of its own.
            inner = ((f"{node.module}.{alias.name}", node.module or "") for alias in node.names)
            found.update(module if module in known else package for module, package in inner)
    return found & set(known)


def import_graph(root: Path) -> dict[str, set[str]]:
    """Each module of the packages below a folder, and which of them it imports."""
    paths = module_names(root)
    return {dotted: imported_modules(path, paths) for dotted, path in sorted(paths.items())}


@cache
def own_graph() -> Mapping[str, set[str]]:
    """The modules of this repository, and which of each other they import."""
    return import_graph(ROOT)


def part(dotted: str) -> str:
    """The package or module of the platform that a module lies in."""
    return dotted.removeprefix("study").removeprefix(".").partition(".")[0] or "__init__"


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Modules of which each imports the next, the last being the first; empty if there are none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1][::-1]  # It has who is imported before who imports.
        return found
    return []


def test_every_part_of_the_platform_is_one_layer() -> None:
    parts = {part(dotted) for dotted in own_graph() if dotted.startswith("study")}
    assert sorted(LAYERS) == sorted(parts)


def test_no_part_of_the_platform_imports_one_above_it() -> None:
    level = {each: depth for depth, each in enumerate(LAYERS)}
    offences = [
        (dotted, used)
        for dotted, imports in own_graph().items()
        for used in sorted(imports)
        if dotted.startswith("study")
        and used.startswith("study")
        and level[part(used)] > level[part(dotted)]
    ]
    assert offences == []


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circle(own_graph()) == []


@pytest.mark.parametrize(
    "back",
    [
        "import study.a",
        "from study import a",
        "from study.a import name",
        "def f() -> None:\n    from study.a import name",
        "if TYPE_CHECKING:\n    from study.a import name",
    ],
)
def test_a_circle_is_found_however_the_way_back_is_written(tmp_path: Path, back: str) -> None:
    (tmp_path / "study" / "b").mkdir(parents=True)
    (tmp_path / "study" / "a.py").write_text("from study.b import c\n")
    (tmp_path / "study" / "b" / "__init__.py").write_text("")
    (tmp_path / "study" / "b" / "c.py").write_text("import ast\n")
    assert import_graph(tmp_path) == {
        "study.a": {"study.b.c"},
        "study.b": set(),
        "study.b.c": set(),
    }
    assert circle(import_graph(tmp_path)) == []
    (tmp_path / "study" / "b" / "c.py").write_text(back)
    found = circle(import_graph(tmp_path))
    assert found[0] == found[-1]
    assert set(found) == {"study.a", "study.b.c"}


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_packages_below_the_study_import_only_what_they_may(package: str) -> None:
    allowed = MAY_IMPORT[package] | {package} | set(sys.stdlib_module_names)
    offences = {name(path): set(imported(path)) - allowed for path in sources(package)}
    assert {path: what for path, what in offences.items() if what} == {}


@pytest.mark.parametrize("library", sorted(CONFINED))
def test_platform_libraries_stay_in_their_files(library: str) -> None:
    users = {name(path) for path in sources(*PACKAGES) if library in imported(path)}
    assert users == CONFINED[library]


NAMED_IN_TEXT = re.compile(rf"`((?:{'|'.join(PACKAGES)})(?:\.[A-Za-z_]\w*)+)")


def exists(dotted: str, known: Mapping[str, Path]) -> bool:
    """Tell whether a dotted name is a module, or a name that one defines, or a part of that."""
    if dotted in known:
        return True
    module, _, attribute = dotted.rpartition(".")
    if module not in known:
        return bool(module) and exists(module, known)
    defines = re.compile(rf'^\s*(?:class |def |")?{attribute}\b', re.MULTILINE)
    return defines.search(known[module].read_text(encoding="utf-8")) is not None


def test_what_docstrings_and_comments_name_exists() -> None:
    known = module_names(ROOT)
    assert exists("study.base.errors.StudyError", known)
    assert not exists("study.base.errors.CodecError", known)
    assert not exists("study.no_such_module.StudyError", known)
    missing = [
        (name(path), named)
        for path in sources(*PACKAGES)
        for named in NAMED_IN_TEXT.findall(path.read_text(encoding="utf-8"))
        if not exists(named, known)
    ]
    assert missing == []


def test_files_stay_short() -> None:
    folders = (*PACKAGES, "benchmarks", "tests")
    lengths = {name(p): len(p.read_text(encoding="utf-8").splitlines()) for p in sources(*folders)}
    assert {path: length for path, length in lengths.items() if length > MAX_LINES} == {}


def test_every_package_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = settings["tool"]["setuptools"]["packages"]
    found = {".".join(p.parent.relative_to(ROOT).parts) for p in sources(*PACKAGES)}
    assert sorted(listed) == sorted(found)
