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

DPCC = "study.families.dpcc"

LIBRARY = {
    "model.bag.codec",
    "model.bag.mixed",
    "model.bag.slope",
    "losses.total",
    "model.coded_cloud",
    "model.container",
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


def platform() -> dict[str, set[str]]:
    """The modules of the platform outside D-PCC's family, and what they import."""
    return {
        dotted: imports
        for dotted, imports in own_graph().items()
        if dotted.startswith("study") and not dotted.startswith(DPCC)
    }


def test_only_its_family_knows_the_network_and_the_losses() -> None:
    met = {used for imports in platform().values() for used in imports}
    assert {used for used in met if used.startswith(("losses", "model"))} == LIBRARY


def test_no_module_of_the_platform_names_a_family() -> None:
    naming = {
        dotted
        for dotted, imports in platform().items()
        if any(used.startswith(DPCC) for used in imports)
    }
    assert naming == {"study.commands.published"}, "a command for checkpoints of D-PCC's own code"


def test_only_its_family_reads_its_settings() -> None:
    paths = module_names(ROOT)
    read = [
        (dotted, node.attr)
        for dotted in platform()
        for node in ast.walk(ast.parse(paths[dotted].read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in OWN_SETTINGS
    ]
    assert read == []
