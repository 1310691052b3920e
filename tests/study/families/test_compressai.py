"""CompressAI's PointNet as a family: its own methods, its bytes, and what is not trusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from compressai.entropy_models import EntropyBottleneck
from compressai.models.pointcloud import PointNetReconstructionPccModel
from compressai.registry import MODELS
from safetensors.torch import load, save

from model.errors import CodecError, DamagedFileError, UncodableError
from model.folder_files import CODEC, WEIGHTS
from model.partition import PartitionConfig
from study.base.errors import StudyError
from study.config.family import FAMILIES, settings_of
from study.families.compressai.module import PointNetCodec
from study.families.family import family_of, own_family
from study.families.patchwise import PatchwiseCodec
from study.families.point_batch import collate
from study.registry.fetching import open_codec
from study.storage.study_file import parse_study
from tests.study.families.ended import ended, is_read, keys_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = "compressai:sfu2023-pcc-rec-pointnet"
POINTS, WIDTHS, LATENTS, BACK = 30, (8, 16), 12, (20,)
SETTINGS = {
    "points": POINTS,
    "encoder_widths": list(WIDTHS),
    "latents": LATENTS,
    "decoder_widths": list(BACK),
}
STUDY = f"""
name: small
family: {NAME}
data: {{max_objects: 8, points_per_object: 150, cube_size: 100.0, min_points: 50}}
model: {{points: 30, encoder_widths: [8, 16], latents: 12, decoder_widths: [20]}}
training: {{epochs: 2, patches_per_step: 2, decay_every: 1, max_grad_norm: 0.05}}
search: {{trials: 2}}
objectives:
  - {{metric: bpp, direction: minimize, reference: 3.0}}
  - {{metric: d1_psnr_db, direction: maximize, reference: 10.0}}
"""


def fresh(seed: int) -> PointNetCodec:
    """With norms and probabilities that are not those of the beginning."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = PointNetCodec(POINTS, WIDTHS, LATENTS, BACK)
        batch = collate([cloud(seed + n, 40) for n in range(4)], "cpu")
        with torch.no_grad():
            for parameter in module.network.parameters():
                parameter.add_(0.01 * torch.randn_like(parameter))
            for _ in range(20):
                module.terms(batch, torch.zeros(4, LATENTS))
    module.eval().freeze()
    return module


@pytest.fixture
def module(seed: int) -> PointNetCodec:
    return fresh(seed)


@pytest.fixture
def theirs(module: PointNetCodec) -> Any:  # noqa: ANN401  CompressAI has no types
    """CompressAI's network as it is released, with the same weights and tables."""
    channels = {"g_a": [3, *WIDTHS, LATENTS], "g_s": [LATENTS, *BACK, 3 * POINTS]}
    network = PointNetReconstructionPccModel(POINTS, channels, {"g_a": [1] * 3})
    network.load_state_dict(module.network.state_dict())
    return network.eval()


def cloud(seed: int, count: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 3)).astype(np.float32)


def test_training_is_their_forward_with_the_platforms_noise(
    module: PointNetCodec,
    theirs: Any,  # noqa: ANN401
    seed: int,
) -> None:
    """Theirs draws the noise itself, channel by channel."""
    batch = collate([cloud(seed, 50), cloud(seed + 1, 20)], "cpu")
    noise = torch.empty(LATENTS, 1, 2)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        noise.uniform_(-0.5, 0.5)
        torch.manual_seed(seed)
        made = theirs.train()({"pos": batch.evenly(POINTS)})
    terms = module.train().terms(batch, noise[:, 0].T)
    bits = -made["likelihoods"]["y"].log2().sum(dim=(1, 2))
    torch.testing.assert_close(terms["bpp"], bits / batch.sizes)
    for number, size in enumerate(batch.sizes.tolist()):
        decoded, true = made["x_hat"][number], batch.xyz[number, :size]
        dist2 = torch.cdist(decoded, true).square()
        expected = dist2.amin(dim=0).mean() + dist2.amin(dim=1).mean()
        torch.testing.assert_close(terms["rec"][number], expected, rtol=1e-4, atol=1e-6)
    for one, other in zip(module.network.buffers(), theirs.buffers(), strict=True):
        assert torch.equal(one, other)


def test_no_noise_but_the_platforms_moves_training(module: PointNetCodec, seed: int) -> None:
    batch = collate([cloud(seed, 50), cloud(seed + 1, 20)], "cpu")
    module.train()
    one, same, other = (
        module.terms(batch, torch.full((2, LATENTS), at))["rec"] for at in (0.0, 0.0, 0.4)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@torch.no_grad()
def test_files_are_their_bytes_and_decode_to_their_evaluation(
    module: PointNetCodec,
    theirs: Any,  # noqa: ANN401
    seed: int,
) -> None:
    points = cloud(seed, 70)
    batch = collate([points], "cpu")
    made = theirs({"pos": batch.evenly(POINTS)})
    data = module.encode(torch.from_numpy(points))
    bottleneck = theirs.latent_codec.entropy_bottleneck
    assert type(bottleneck) is EntropyBottleneck
    assert bottleneck.compress(made["y"]) == [data]
    torch.testing.assert_close(bottleneck.decompress([data], (1,)), made["y_hat"])
    torch.testing.assert_close(module.decode(data), made["x_hat"][0])
    bits, decoded, sizes = module.evaluate(batch)
    torch.testing.assert_close(decoded, made["x_hat"])
    assert sizes.tolist() == [POINTS]
    assert bits.item() == pytest.approx(8 * len(data), abs=40)


@torch.no_grad()
def test_what_is_mended_does_not_work_in_the_release(
    module: PointNetCodec,
    theirs: Any,  # noqa: ANN401
    seed: int,
) -> None:
    """Where this fails CompressAI is repaired: see `study.families.compressai.mended`."""
    data = module.encode(torch.from_numpy(cloud(seed, 70)))
    with pytest.raises(TypeError, match="'dict'"):
        theirs.decompress([[data]], (1,))
    asked: list[tuple[int, ...]] = []
    bottleneck = theirs.latent_codec.entropy_bottleneck
    bottleneck.decompress = lambda _, size: asked.append(tuple(size))
    theirs.compress({"pos": collate([cloud(seed, 70)], "cpu").evenly(POINTS)})
    assert asked == [(LATENTS, 1)], "so many symbols of each channel, of which there is one"


def test_quantiles_are_those_of_the_learned_distribution(module: PointNetCodec) -> None:
    """To the rounding of a bisection: 1e-4 of an edge."""
    bottleneck = module.bottleneck
    assert not bottleneck.quantiles.requires_grad
    logits = bottleneck._logits_cumulative(bottleneck.quantiles, stop_gradient=True)
    tail = bottleneck.tail_mass / 2
    share = torch.sigmoid(logits)[:, 0].mean(dim=0)
    torch.testing.assert_close(share, torch.tensor([tail, 0.5, 1 - tail]), rtol=0.05, atol=1e-3)


def test_bytes_that_nobody_wrote_are_refused_or_points(module: PointNetCodec, seed: int) -> None:
    data = module.encode(torch.from_numpy(cloud(seed, 70)))
    rng = np.random.default_rng(seed)
    made_up = [rng.bytes(4 * int(rng.integers(0, 12))) for _ in range(100)]
    cut = [data[:length] for length in range(len(data))]
    for each in (*made_up, *cut, data + bytes(4) + b"\1\0\0\0"):
        with torch.no_grad(), pytest.raises(DamagedFileError):
            module.decode(each)


def test_a_diverged_network_is_told(module: PointNetCodec) -> None:
    with torch.no_grad():
        module.network.g_a[0].weight.fill_(torch.nan)
    with torch.no_grad(), pytest.raises(UncodableError, match="this codec has diverged"):
        module.encode(torch.zeros(5, 3))


def codec_of(module: PointNetCodec) -> PatchwiseCodec:
    identity = {"family": FAMILIES[NAME], "model": SETTINGS}
    return PatchwiseCodec(module, PartitionConfig(), identity, is_ours=True)


def test_its_codec_opens_by_itself_with_its_tables(module: PointNetCodec, tmp_path: Path) -> None:
    codec = codec_of(module)
    codec.save(tmp_path / "codec", {})
    assert own_family(tmp_path / "codec") == NAME
    opened: Any = open_codec(tmp_path / "codec").codec
    for name, table in module.bottleneck.named_buffers():
        assert torch.equal(table, opened.module.bottleneck.get_buffer(name))
    points = cloud(0, 300).astype(np.float64)
    file = codec.compress(points)
    assert opened.compress(points) == file
    np.testing.assert_array_equal(opened.decompress(file).points, codec.decompress(file).points)


@pytest.mark.parametrize(
    ("table", "value", "sentence"),
    [
        ("_quantized_cdf", 0, "row 0 must rise from 0 to 65536"),
        ("_cdf_length", 10**6, "rows must have 3 to "),
        ("_offset", 2**30, "offsets must be within"),
    ],
)
def test_made_up_tables_are_refused(
    table: str, value: int, sentence: str, module: PointNetCodec, tmp_path: Path
) -> None:
    """Also where the codec's id is made up with them."""
    codec_of(module).save(tmp_path / "codec", {})
    weights = load((tmp_path / "codec" / WEIGHTS).read_bytes())
    name = f"network.latent_codec.entropy_bottleneck.{table}"
    weights[name] = torch.full_like(weights[name], value)
    (tmp_path / "codec" / WEIGHTS).write_bytes(save(weights))
    module.bottleneck.get_buffer(table).fill_(value)
    described = json.loads((tmp_path / "codec" / CODEC).read_text())
    described["id"] = codec_of(module).codec_id.hex()
    (tmp_path / "codec" / CODEC).write_text(json.dumps(described))
    with pytest.raises(CodecError, match=sentence):
        open_codec(tmp_path / "codec")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("compressai:sfu2023-pcc-rec-pointnt", f"did you mean '{NAME}'?"),
        ("compressai:sfu2024-pcc-rec-pointnet2-ssg", f"did you mean '{NAME}'?"),
        ("compressai:PointNet", "A family of your own is given as module:Class"),
        ("compressai:", "there is no family 'compressai:'"),
        ("compressai", "there is no family 'compressai'"),
        ("compress:Model", "compress:Model cannot be imported"),
    ],
)
def test_what_is_none_of_its_models_is_a_sentence(name: str, sentence: str) -> None:
    with pytest.raises(StudyError) as refused:
        settings_of(name)
    assert sentence in str(refused.value)


def test_the_page_names_all_models_of_point_clouds() -> None:
    page = Path("docs/families.md").read_text(encoding="utf-8")
    there = {name for name in MODELS if "pcc" in name}
    assert there == {name for name in there if f"`{name}`" in page}


def test_the_others_do_not_run_here() -> None:
    """As the page says why."""
    with pytest.raises(ModuleNotFoundError, match="pointops"):
        MODELS["sfu2024-pcc-rec-pointnet2-ssg"]()({"pos": torch.rand(1, 1024, 3)})
    if not torch.cuda.is_available():
        with pytest.raises((RuntimeError, AssertionError), match=r"(?i)nvidia|cuda"):
            MODELS["hrtzxf2022-pcc-rec"]()


CHANGES: dict[str, Any] = {
    "model.points": 44,
    "model.encoder_widths": [8, 12],
    "model.latents": 10,
    "model.decoder_widths": [24],
    "loss.bpp": 3.0,
    "loss.rec": 0.1,
    "training.epochs": 3,
    "training.patches_per_step": 4,
    "training.learning_rate": 5e-3,
    "training.schedule": "cosine",
    "training.decay_every": 2,
    "training.decay_factor": 0.25,
    "training.max_grad_norm": None,
}


def test_every_key_has_a_change_here() -> None:
    assert CHANGES.keys() == keys_of(family_of(NAME))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compressai")


@pytest.mark.parametrize("name", CHANGES)
def test_every_key_changes_the_result(name: str, root: Path) -> None:
    assert is_read(name, CHANGES[name], STUDY, root)


def test_a_heavier_weight_of_the_distortion_makes_longer_files(tmp_path: Path) -> None:
    settings = {
        "training.epochs": 30,
        "training.learning_rate": 1e-2,
        "training.max_grad_norm": None,
        "training.decay_every": 30,
    }
    config = parse_study(STUDY, origin="small")
    light, heavy = (
        ended(config, {**settings, "loss.rec": at}, tmp_path)[0] for at in (1e-3, 100.0)
    )
    assert light["bpp_estimated"] < heavy["bpp_estimated"]
    assert light["bpp"] <= heavy["bpp"]
    assert light["d1_psnr_db"] < heavy["d1_psnr_db"]
    assert light["parameters"] == heavy["parameters"] > 1000
