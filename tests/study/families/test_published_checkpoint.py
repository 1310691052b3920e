"""Published checkpoints become codecs of ours and come back bit by bit."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from model.codec_folder import load_codec, save_codec
from model.errors import CodecError
from model.hierarchy import build_hierarchy
from model.partition import PartitionConfig
from study.base.errors import StudyError
from study.commands.main import main
from study.families.dpcc.published_checkpoint import (
    export_checkpoint,
    import_checkpoint,
    published_state,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

GOLDEN = Path(__file__).parents[2] / "golden"
MODES = ("default", "fp16_latents", "edge_conv", "normals")
CUBES = PartitionConfig(cube_size=22.0)


def recorded_state(mode: str) -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(GOLDEN / mode / "ckpt-best.pth", weights_only=True)
    return state


def recorded_arguments(mode: str) -> dict[str, Any]:
    arguments: dict[str, Any] = json.loads((GOLDEN / mode / "args.json").read_text())
    return arguments


def write(folder: Path, state: Mapping[str, Tensor], arguments: Mapping[str, Any]) -> None:
    torch.save(dict(state), folder / "c.pth")
    (folder / "a.json").write_text(json.dumps(arguments))


def assert_equal(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert (ours[name].shape, ours[name].dtype) == (tensor.shape, tensor.dtype), name
        assert torch.equal(ours[name], tensor), name


@pytest.mark.parametrize("mode", MODES)
def test_a_published_checkpoint_comes_back_bit_by_bit(mode: str, tmp_path: Path) -> None:
    codec, state, arguments = (tmp_path / name for name in ("codec", "out.pth", "args.json"))
    given = [str(GOLDEN / mode / name) for name in ("ckpt-best.pth", "args.json")]
    assert main(["import-checkpoint", *given, str(codec)]) == 0
    assert main(["import-checkpoint", "--export", *map(str, (codec, arguments, state))]) == 0
    assert_equal(torch.load(state, weights_only=True), recorded_state(mode))
    assert json.loads(arguments.read_text()) == recorded_arguments(mode)


@pytest.mark.parametrize("mode", MODES)
def test_an_imported_codec_decodes_what_the_published_one_did(mode: str, tmp_path: Path) -> None:
    (case,) = sorted((GOLDEN / mode).glob("case_*.npz"))[:1]
    with np.load(case) as recorded:
        imported = import_checkpoint(
            GOLDEN / mode / "ckpt-best.pth", GOLDEN / mode / "args.json", tmp_path / "codec", CUBES
        )
        coder = load_codec(tmp_path / "codec").learned.coder
        normals = recorded["in_normals"] if coder.config.compress_normal else None
        config = coder.config
        hierarchy = build_hierarchy(recorded["in_xyz"], config.downsample_rate, config.k, normals)
        points, _ = coder.decode(coder.encode(hierarchy))
        # As in test_golden; edge convolutions sum in another order than the published code.
        tolerance = 1e-3 if mode == "edge_conv" else 1e-4
        np.testing.assert_allclose(points, recorded["pred_xyz_2"], rtol=0, atol=tolerance)
        file = imported.compress(recorded["in_xyz"].astype(np.float64), normals)
    again = load_codec(tmp_path / "codec").codec
    assert again.codec_id == imported.codec_id
    np.testing.assert_array_equal(again.decompress(file).points, imported.decompress(file).points)


def emptied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """As a checkpoint is that was saved before the tables were ever computed."""
    return {
        name: torch.zeros(0, dtype=torch.int32)
        if name.endswith(("_quantized_cdf", "_cdf_length", "_offset"))
        else tensor
        for name, tensor in state.items()
    }


def stale(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """As a checkpoint is that went on training after its tables were computed."""
    state["feats_eblock.quantiles"] += torch.tensor([-30.0, 0.0, 30.0])
    return state


def malformed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    state["xyzs_eblock._quantized_cdf"][2, 3] = 0
    return state


def absent(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.endswith("_offset")}


@pytest.mark.parametrize("change", [emptied, stale, malformed, absent])
def test_tables_that_cannot_be_used_are_computed(
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]], tmp_path: Path
) -> None:
    write(tmp_path, change(recorded_state("default")), recorded_arguments("default"))
    imported = import_checkpoint(tmp_path / "c.pth", tmp_path / "a.json", tmp_path / "codec", CUBES)
    saved = load_codec(tmp_path / "codec")
    assert saved.about["tables"] == "computed at the import"
    points = np.random.default_rng(0).uniform(0.0, 1.0, (400, 3))
    assert saved.codec.decompress(imported.compress(points)).original_points == 400
    # From here on they are the checkpoint's own, and nothing changes any more.
    export_checkpoint(tmp_path / "codec", tmp_path / "o.pth", tmp_path / "o.json", force=False)
    again = import_checkpoint(tmp_path / "o.pth", tmp_path / "o.json", tmp_path / "again", CUBES)
    assert load_codec(tmp_path / "again").about["tables"] == "the checkpoint's own"
    assert again.codec_id == imported.codec_id
    assert_equal(published_state(again.coder), torch.load(tmp_path / "o.pth", weights_only=True))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sub_point_conv_mode": "transformer"}, "'sub_point_conv_mode': input should be 'mlp' or"),
        (
            {"quantize_latent_xyzs": "yes"},
            "'quantize_latent_xyzs': input should be a valid boolean",
        ),
        ({"k": 0}, "'k': input should be greater than or equal to 1"),
        (
            {"downsample_rate": [0.5, 1.5, 0.5]},
            r"'downsample_rate' \(item 2\): input should be less than 1",
        ),
        ({"ngroups": 2}, "ngroups must be 1 with the other arguments"),
        ({"in_fdim": 6}, "in_fdim must be 3 with the other arguments"),
        ({"layer_num": 4}, "layer_num must be 3 with the other arguments"),
        ({"max_upsample_num": [8, 8]}, "every encoder stage needs a decoder stage"),
        ({"hidden_dim": 32}, "must belong together: .*check dim and hidden_dim"),
        ({"hidden_dim": 65536}, "must belong together: .*check dim and hidden_dim"),
        ({"hidden_dim": 10**14}, "hidden_dim must be from 1 to 65536"),
        ({"compress_normal": True, "in_fdim": 6}, "must belong together"),
        (
            {"quantize_latent_xyzs": False},
            "these arguments make no codec with latent_xyzs_analysis",
        ),
    ],
)
def test_arguments_that_no_codec_has_are_a_sentence(
    change: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    write(tmp_path, recorded_state("default"), {**recorded_arguments("default"), **change})
    with pytest.raises(StudyError, match=sentence):
        import_checkpoint(tmp_path / "c.pth", tmp_path / "a.json", tmp_path / "codec", CUBES)
    assert not (tmp_path / "codec").exists()


def test_missing_arguments_are_named(tmp_path: Path) -> None:
    given = {name: value for name, value in recorded_arguments("default").items() if name != "k"}
    write(tmp_path, recorded_state("default"), given)
    with pytest.raises(StudyError, match=r"a\.json lacks k; add"):
        import_checkpoint(tmp_path / "c.pth", tmp_path / "a.json", tmp_path / "codec", CUBES)


class Bomb:
    """Writes a file when it is unpickled by a reader that runs what it reads."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.path,))


def test_a_checkpoint_runs_nothing(tmp_path: Path) -> None:
    write(tmp_path, {}, recorded_arguments("default"))
    for save in (torch.save, lambda thing, path: path.write_bytes(pickle.dumps(thing))):
        save({"feats": Bomb(tmp_path / "ran")}, tmp_path / "c.pth")
        with pytest.raises(StudyError, match="nothing that would have to be run"):
            import_checkpoint(tmp_path / "c.pth", tmp_path / "a.json", tmp_path / "out", CUBES)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("length", [0, 1, 100, 5000, -1])
def test_a_cut_checkpoint_is_a_sentence(length: int, tmp_path: Path) -> None:
    write(tmp_path, recorded_state("default"), recorded_arguments("default"))
    (tmp_path / "c.pth").write_bytes((tmp_path / "c.pth").read_bytes()[:length])
    with pytest.raises(StudyError, match=r"c\.pth is damaged or holds something else"):
        import_checkpoint(tmp_path / "c.pth", tmp_path / "a.json", tmp_path / "out", CUBES)


def test_odd_checkpoints_are_sentences(tmp_path: Path) -> None:
    state, arguments = recorded_state("default"), recorded_arguments("default")
    key = "pre_conv.0.bias"
    odd: list[tuple[object, str]] = [
        ([1, 2], "is a state_dict, names and plain tensors"),
        ({"model": state}, "is a state_dict, names and plain tensors"),
        ({**state, key: state[key].to_sparse()}, "plain tensors of real numbers"),
        ({**state, key: state[key].to("meta")}, "plain tensors of real numbers"),
        ({**state, key: state[key].to(torch.complex64)}, "plain tensors of real numbers"),
        ({**state, key: state[key] * np.nan}, "a weight is not a finite number"),
        ({**state, "critic.bias": state[key]}, "make no codec with critic.bias"),
    ]
    for saved, sentence in odd:
        write(tmp_path, {}, arguments)
        torch.save(saved, tmp_path / "c.pth")
        with pytest.raises(StudyError, match=sentence):
            import_checkpoint(tmp_path / "c.pth", tmp_path / "a.json", tmp_path / "out", CUBES)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere.pth", "a.json", "out"], "the checkpoint nowhere.pth cannot be read"),
        (["c.pth", "nowhere.json", "out"], "nowhere.json cannot be read as one"),
        (["c.pth", "c.pth", "out"], "c.pth cannot be read as one"),
        (["c.pth", "out"], "a checkpoint does not say how it was trained: give its arguments too"),
        (["c.pth", "a.json", "out", "--force"], "--force is for --export"),
        (["c.pth", "a.json", "out", "--cube-size", "500"], "cube_size must be"),
        (["c.pth", "a.json", "out", "--cube-size", "0"], "cube_size must be"),
        (["c.pth", "a.json", "codec"], "codec exists; choose another"),
        (["--export", "codec", "out", "--cube-size", "9"], "leave --cube-size out with --export"),
        (["--export", "codec", "c.pth"], "c.pth exists; name another file, or allow"),
        (["--export", "nowhere", "out.pth"], "nowhere/codec.json cannot be read"),
    ],
)
def test_what_cannot_be_used_is_a_sentence_and_code_2(
    words: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, recorded_state("default"), recorded_arguments("default"))
    import_checkpoint(Path("c.pth"), Path("a.json"), Path("codec"), CUBES)
    before = sorted(tmp_path.iterdir())
    assert main(["import-checkpoint", *words]) == 2
    assert sentence in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_an_exported_checkpoint_is_replaced_only_when_asked(tmp_path: Path) -> None:
    checkpoint, arguments = GOLDEN / "default" / "ckpt-best.pth", GOLDEN / "default" / "args.json"
    import_checkpoint(checkpoint, arguments, tmp_path / "codec", CUBES)
    (tmp_path / "o.pth").write_text("mine")
    with pytest.raises(StudyError, match="exists"):
        export_checkpoint(tmp_path / "codec", tmp_path / "o.pth", None, force=False)
    assert (tmp_path / "o.pth").read_text() == "mine"
    export_checkpoint(tmp_path / "codec", tmp_path / "o.pth", None, force=True)
    assert_equal(torch.load(tmp_path / "o.pth", weights_only=True), recorded_state("default"))
    with pytest.raises(CodecError, match="exists"):
        save_codec(load_codec(tmp_path / "codec").codec, tmp_path / "codec", {})
