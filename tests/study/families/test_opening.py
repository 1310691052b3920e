"""Codecs of families that are opened: as what they are, and before they take memory."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from safetensors.torch import load, save

from model.cloud_codec import CloudCodec
from model.codec_folder import save_codec
from model.errors import CodecError
from model.folder_files import CODEC, WEIGHTS
from model.octree.codec import OctreeCodec
from model.partition import PartitionConfig
from model.patch_coder import PatchCoder
from study.families.family import family_of
from tests.model.support import fresh_codec
from tests.study.families.documented import block

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor

    from model.codec_folder import AnyCodec
    from study.families.family import Family

CUTTING = PartitionConfig(100.0)
LARGE = 10**15
"""Times a byte is more than any machine has."""


@pytest.fixture(scope="module", autouse=True)
def _mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder: Path = tmp_path_factory.mktemp("opened")
    more = "\n\nclass Other(Tiny):\n    name = 'other'\n"
    (folder / "opened.py").write_text(block("python") + more)
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


@pytest.fixture
def family() -> Family:
    return family_of("opened:Tiny")


@pytest.fixture
def folder(family: Family, tmp_path: Path) -> Path:
    few = {"numbers": 4, "points": 8, "width": 8}
    architecture = family.architecture(family.model.model_validate(few))
    network = architecture.network(1)
    network.reset([1])
    save_codec(architecture.coder(network, CUTTING, is_ours=True), tmp_path / "codec", {})
    return tmp_path / "codec"


def edit_settings(folder: Path, **settings: int) -> None:
    described = json.loads((folder / CODEC).read_text())
    described["architecture"]["model"].update(settings)
    (folder / CODEC).write_text(json.dumps(described))


def refusal(family: Family, folder: Path) -> str:
    with pytest.raises(CodecError) as refused:
        family.open_codec(folder)
    return str(refused.value)


def test_what_is_opened_codes(family: Family, folder: Path) -> None:
    codec: Any = family.open_codec(folder).codec
    assert not codec.module.training
    assert codec.module.points == 8


def test_shapes_are_compared_before_any_memory_is_taken(family: Family, folder: Path) -> None:
    edit_settings(folder, points=LARGE)
    sentence = rf"synthesis.2.bias must be ({3 * LARGE},), as codec.json has it, and is (24,)"
    assert f"weights.safetensors is damaged ({sentence})" in refusal(family, folder)


def test_settings_that_no_module_has_are_a_sentence(family: Family, folder: Path) -> None:
    edit_settings(folder, points=LARGE**3)
    assert "codec.json is damaged (tiny has no module of its settings: " in refusal(family, folder)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda w: w.pop("analysis.0.bias"), "analysis.0.bias must be (8,), as codec.json has it"),
        (
            lambda w: w.update(more=w["analysis.0.bias"] + 1),
            "more must be absent, as codec.json has",
        ),
        (lambda w: w["analysis.0.bias"].add_(1), "a file was changed or exchanged"),
    ],
)
def test_changed_weights_are_a_sentence(
    change: Callable[[dict[str, Tensor]], object], sentence: str, family: Family, folder: Path
) -> None:
    weights = load((folder / WEIGHTS).read_bytes())
    change(weights)
    (folder / WEIGHTS).write_bytes(save(weights))
    assert sentence in refusal(family, folder)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: CloudCodec(PatchCoder.freeze(fresh_codec(1)), CUTTING), "and is D-PCC's, which"),
        (
            OctreeCodec,
            "and is of the kind 'octree', which is opened without a family's name; leave",
        ),
    ],
)
def test_a_sound_codec_of_this_program_is_not_called_damaged(
    make: Callable[[], AnyCodec], sentence: str, family: Family, tmp_path: Path
) -> None:
    save_codec(make(), tmp_path / "codec", {})
    told = refusal(family, tmp_path / "codec")
    assert f"codec must be a codec of opened:Tiny, {sentence}" in told
    assert "damaged" not in told


def test_a_sound_codec_of_another_family_says_whose_it_is(folder: Path) -> None:
    told = refusal(family_of("opened:Other"), folder)
    assert "must be a codec of opened:Other, and is one of 'opened:Tiny'; name that with" in told
