"""The variational autoencoder as a family: what it reads, its loss, what its keys change."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from model.errors import CodecError, DamagedFileError, UncodableError
from model.partition import PartitionConfig
from study.base.errors import StudyError
from study.commands.checks import read_study_file
from study.commands.main import main
from study.config.family import settings_of
from study.families.family import own_family
from study.families.patchwise import PatchwiseCodec
from study.families.point_batch import collate
from study.families.vae.module import PatchAutoencoder, standard_normal
from study.families.vae.settings import VaeLoss, VaeModel, VaeTraining
from study.registry.fetching import open_codec
from study.storage.study_file import EMBEDDED, parse_study
from tests.study.families.ended import ended, is_read, keys_of

POINTS, LATENTS, WIDTH = 12, 4, 16

STUDY = """
name: small
family: vae
data: {max_objects: 8, points_per_object: 150, cube_size: 100.0, min_points: 50}
model: {latents: 4, points: 40, width: 16}
training: {epochs: 2, patches_per_step: 2, decay_every: 1, max_grad_norm: 0.05}
search: {trials: 2}
objectives:
  - {metric: bpp, direction: minimize, reference: 3.0}
  - {metric: d1_psnr_db, direction: maximize, reference: 10.0}
"""


@pytest.fixture
def module(seed: int) -> PatchAutoencoder:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return PatchAutoencoder(POINTS, LATENTS, WIDTH)


def cloud(seed: int, count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 3)).astype(np.float32)


def test_points_evenly_spread_over_the_curve_are_read() -> None:
    """Of 36 points every third, of 12 each, of 6 each twice; the padding never."""
    rows = [np.arange(3 * n, dtype=np.float32).reshape(n, 3) for n in (36, 12, 6)]
    read = collate(rows, "cpu").evenly(POINTS)[..., 0] / 3
    assert read[0].tolist() == list(range(1, 36, 3))
    assert read[1].tolist() == list(range(12))
    assert read[2].tolist() == [n // 2 for n in range(12)]


def test_its_loss_is_that_of_a_loop_over_points(module: PatchAutoencoder, seed: int) -> None:
    rows = [cloud(seed, 30), cloud(seed + 1, 9)]
    batch = collate(rows, "cpu")
    noise = torch.rand((2, LATENTS), generator=torch.Generator().manual_seed(seed)) - 0.5
    terms = module.terms(batch, noise)
    for number, points in enumerate(rows):
        made = module.network(batch.evenly(POINTS), standard_normal(noise))
        decoded = made.points[number].detach().numpy()
        dist2 = [[float(((p - q) ** 2).sum()) for q in points] for p in decoded]
        sides = (
            np.mean([min(row) for row in dist2]),
            np.mean([min(column) for column in zip(*dist2, strict=True)]),
        )
        assert terms["chamfer"][number].item() == pytest.approx(sum(sides), rel=1e-4)
        nats = sum(
            (m**2 + math.exp(v) - v - 1) / 2
            for m, v in zip(
                made.mean[number].tolist(), made.log_variance[number].tolist(), strict=True
            )
        )
        bits = nats / math.log(2) / len(points)
        assert terms["kl_lambda"][number].item() == pytest.approx(bits, rel=1e-4, abs=1e-6)


def test_the_platforms_noise_becomes_normal() -> None:
    """Its inverse is the distribution function, and no value of it is infinite."""
    ends = torch.tensor([-0.5, -0.25, 0.0, 0.25, 0.5 - 2.0**-24])
    found = standard_normal(ends)
    assert found.isfinite().all()
    normal = torch.distributions.Normal(0.0, 1.0)
    torch.testing.assert_close(normal.cdf(found), ends + 0.5, rtol=0, atol=1e-6)


def test_noise_moves_what_is_decoded(module: PatchAutoencoder, seed: int) -> None:
    batch = collate([cloud(seed, 30)], "cpu")
    one, other = (module.terms(batch, torch.full((1, LATENTS), at)) for at in (0.0, 0.3))
    assert one["chamfer"].item() != other["chamfer"].item()
    assert one["kl_lambda"].item() == other["kl_lambda"].item()


def test_what_evaluation_decodes_is_what_a_file_holds(module: PatchAutoencoder, seed: int) -> None:
    points = cloud(seed, 50)
    with torch.no_grad():
        _, decoded, sizes = module.evaluate(collate([points, cloud(seed + 1, 80)], "cpu"))
        again = module.decode(module.encode(torch.from_numpy(points)))
    assert sizes.tolist() == [POINTS, POINTS]
    torch.testing.assert_close(decoded[0], again, rtol=0, atol=1e-5)


def test_in_the_plane_no_z_is_read_or_made(seed: int) -> None:
    """Its loss is the chamfer distance in the plane, and what lies beside the plane costs more."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = PatchAutoencoder(POINTS, LATENTS, WIDTH, dimensions=2)
    flat = cloud(seed, POINTS)
    flat[:, 2] = 0.0
    lifted = flat + np.array([0, 0, 0.5], np.float32)
    noise = torch.zeros(1, LATENTS)
    terms, above = (module.terms(collate([each], "cpu"), noise) for each in (flat, lifted))
    made = module.network(torch.from_numpy(flat[None, :, :2]), torch.zeros(1, LATENTS)).points
    dist2 = torch.cdist(made[0], torch.from_numpy(flat[:, :2])).square()
    in_plane = dist2.amin(dim=0).mean() + dist2.amin(dim=1).mean()
    torch.testing.assert_close(terms["chamfer"][0], in_plane, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(above["chamfer"][0], in_plane + 0.5, rtol=1e-4, atol=1e-6)
    assert above["kl_lambda"].equal(terms["kl_lambda"])
    decoded = module.decode(module.encode(torch.from_numpy(lifted)))
    assert decoded.shape == (POINTS, 3)
    assert not decoded[:, 2].any()


def test_the_articles_own_runs_as_the_page_has_it(tmp_path: Path) -> None:
    page = Path(__file__).parents[3] / "docs" / "chamfer.md"
    (block,) = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    sections = yaml.safe_load(EMBEDDED["vae"].read_text(encoding="utf-8")) | yaml.safe_load(block)
    config = parse_study(yaml.safe_dump(sections), origin="toy")
    before, _ = ended(config, {"training.epochs": 1}, tmp_path)
    after, _ = ended(config, {}, tmp_path)
    assert after["d1_psnr_db"] > before["d1_psnr_db"]
    assert after["points_ratio"] == 1.0


def test_a_diverged_network_and_a_damaged_file_are_told(module: PatchAutoencoder) -> None:
    codec = PatchwiseCodec(module, PartitionConfig(), {"family": "vae"}, is_ours=True)
    with pytest.raises(DamagedFileError, match="a patch must be decodable, and one is not"):
        codec._decoded(b"\0")
    with torch.no_grad():
        module.network.mean.bias.fill_(torch.nan)
    with pytest.raises(UncodableError, match="a latent must be finite"):
        module.encode(torch.zeros(5, 3))


def test_its_codec_opens_by_itself_and_others_do_not(
    module: PatchAutoencoder, tmp_path: Path
) -> None:
    """A folder's word for a family is looked up in a list, and never imported.

    It knows nothing of `dimensions`, like those written before there was such a key.
    """
    identity = {"points": POINTS, "latents": LATENTS, "width": WIDTH}
    for name, family in (("ours", "study.families.vae.family:Vae"), ("mine", "mine:Vae")):
        architecture = {"family": family, "model": identity}
        codec = PatchwiseCodec(module, PartitionConfig(), architecture, is_ours=True)
        codec.save(tmp_path / name, {})
    file = codec.compress(cloud(0, 300).astype(np.float64))
    assert own_family(tmp_path / "ours") == "vae"
    opened = open_codec(tmp_path / "ours").codec
    again = opened.compress(cloud(0, 300).astype(np.float64))
    assert len(again) == len(file)
    assert own_family(tmp_path / "mine") is None
    with pytest.raises(CodecError, match="if you trust that code"):
        open_codec(tmp_path / "mine")


CHANGES: dict[str, Any] = {
    "model.points": 44,
    "model.dimensions": 2,
    "model.latents": 6,
    "model.width": 24,
    "loss.chamfer": 0.5,
    "loss.kl_lambda": 1.0,
    "training.epochs": 3,
    "training.patches_per_step": 1,
    "training.learning_rate": 5e-3,
    "training.schedule": "cosine",
    "training.decay_every": 2,
    "training.decay_factor": 0.25,
    "training.max_grad_norm": None,
}


def test_every_key_has_a_change_here() -> None:
    family = settings_of("vae")
    assert (family.model, family.loss, family.training) == (VaeModel, VaeLoss, VaeTraining)
    assert CHANGES.keys() == keys_of(family)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vae")


@pytest.mark.parametrize("name", CHANGES)
def test_every_key_changes_the_result(name: str, root: Path) -> None:
    assert is_read(name, CHANGES[name], STUDY, root)


def test_a_heavier_weight_of_the_divergence_makes_smaller_files(tmp_path: Path) -> None:
    """Estimated and true bits fall together, and a file takes more than the divergence."""
    settings = {
        "model.latents": 16,
        "training.epochs": 12,
        "training.learning_rate": 1e-2,
        "training.max_grad_norm": None,
    }
    config = parse_study(STUDY, origin="small")
    light, heavy = (
        ended(config, {**settings, "loss.kl_lambda": at}, tmp_path)[0] for at in (1e-3, 3.0)
    )
    assert heavy["bpp_estimated"] < light["bpp_estimated"]
    assert heavy["bpp"] < light["bpp"]
    assert light["bpp"] > light["bpp_estimated"]


def test_an_odd_number_of_latents_is_refused() -> None:
    with pytest.raises(StudyError, match=r"model\.latents"):
        parse_study(STUDY.replace("latents: 4", "latents: 5"), origin="small")


def test_its_name_runs_the_embedded_study_where_no_file_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = read_study_file(Path("vae"))
    assert (config.name, config.family) == ("vae-001", "vae")
    assert read_study_file(None) == read_study_file(Path("quickstart"))
    Path("studies/vae-001").mkdir(parents=True)
    assert read_study_file(Path("vae")).name == "vae-002"
    assert main(["run", "vae", "--resume"]) == 2
    assert "as in `study resume vae-001`" in " ".join(capsys.readouterr().err.split())
    Path("vae").write_text(STUDY)
    assert read_study_file(Path("vae")).name == "small"
