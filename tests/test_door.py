"""The door between the platform and its models: only a family's own package knows its network.

Of the codec library the platform imports what serves any codec: files, clouds and their cutting,
the octree, errors, and the sum of a loss's terms. All else in `model` is D-PCC's network and what
that is fed with; it and the terms in `losses` are its family's, and nothing but a name in a study
file leads there.
"""

from __future__ import annotations

import ast

from study.families.dpcc.settings import LossWeights, ModelSection
from tests.test_layout import ROOT, module_names, own_graph

FAMILIES = {path.parent.name for path in (ROOT / "study" / "families").glob("*/__init__.py")}
"""Those of this program: each a package of its own."""

LIBRARY = {
    "model.bag.codec",
    "model.bag.choosing",
    "model.bag.mixed",
    "model.octree.general",
    "model.bag.slope",
    "losses.total",
    "model.coded_cloud",
    "model.container",
    "model.cube_files",
    "model.folder_files",
    "model.growth",
    "model.normals",
    "model.rans",
    "model.structure",
    "model.cloud_codec",
    "model.codec_folder",
    "model.errors",
    "model.file_head",
    "model.morton",
    "model.native.crowding",
    "model.native.library",
    "model.octree",
    "model.octree.codec",
    "model.octree.coding",
    "model.octree.contents",
    "model.octree.frame",
    "model.octree.training",
    "model.partition",
    "model.placement",
}


OWN_SETTINGS = (ModelSection.model_fields.keys() | LossWeights.model_fields.keys()) - {
    *("k", "dim", "norm"),
}
"""Those that no other family has under the same name."""


def family(dotted: str) -> str | None:
    """The family that a module belongs to, if it does."""
    parts = dotted.split(".")
    is_inside = parts[:2] == ["study", "families"] and len(parts) > 2
    return parts[2] if is_inside and parts[2] in FAMILIES else None


def platform() -> dict[str, set[str]]:
    """The modules of the platform outside all families, and what they import."""
    return {
        dotted: imports
        for dotted, imports in own_graph().items()
        if dotted.startswith("study") and family(dotted) is None
    }


def test_only_families_know_networks_and_losses() -> None:
    met = {used for imports in platform().values() for used in imports}
    assert {used for used in met if used.startswith(("losses", "model"))} == LIBRARY


def test_no_module_of_the_platform_names_a_family() -> None:
    naming = {d for d, imports in platform().items() if any(map(family, imports))}
    assert naming == {"study.commands.published"}, "a command for checkpoints of D-PCC's own code"


def test_no_family_knows_another() -> None:
    graph = own_graph()
    known = {
        (family(dotted), family(used))
        for dotted in graph
        for used in graph[dotted]
        if family(dotted) is not None
    }
    assert {(one, other) for one, other in known if other not in {None, one}} == set()


def test_only_its_family_reads_the_settings_of_dpcc() -> None:
    paths = module_names(ROOT)
    read = [
        (dotted, node.attr)
        for dotted in own_graph()
        if dotted.startswith("study") and family(dotted) != "dpcc"
        for node in ast.walk(ast.parse(paths[dotted].read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in OWN_SETTINGS
    ]
    assert read == []
