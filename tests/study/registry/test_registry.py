"""Codecs in MLflow's model registry: what goes in comes out, and nothing of it is run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from model.cloud_codec import CloudCodec
from model.errors import CodecError
from model.partition import PartitionConfig
from model.patch_coder import PatchCoder
from study.base.errors import StudyError
from study.checkpoints.taken import TakenCodec
from study.registry.aliases import check_alias
from study.registry.fetching import open_codec
from study.registry.registering import Registry
from study.tracking.client import connect
from tests.model.support import ARCHITECTURES, SMALL, fresh_codec, surface, unit_vectors
from tests.study.ports import silent_port
from tests.study.tracked import database, record, trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model.config import ModelConfig

    Load = Callable[[str], Any]

EPOCHS = 3
CLOUD = surface(7, 400).astype(np.float64)


def taken(
    number: int, *, seed: int = 0, epoch: int = EPOCHS, model: ModelConfig = SMALL
) -> TakenCodec:
    """The codec of a made-up trial: untrained, which the registry does not mind."""
    coder = PatchCoder.freeze(fresh_codec(seed, config=model))
    whole = replace(trial(number), params={"loss.bpp_lambda": 0.02})
    data = {
        "source": "embedded",
        "content_hash": "f5ef",
        "measured_on": "the validation split",
        "recipe": {"source": "embedded", "max_objects": 8, "voxel_depth": None},
        "psnr": "3 p^2, p = longest side",
    }
    about = {
        "study": {"name": "quickstart"},
        "trial": number,
        "epochs": epoch,
        "params": whole.params,
        "metrics": dict(whole.final),
        "metrics_are": "measured",
        "data": data,
    }
    codec = CloudCodec(coder, PartitionConfig(cube_size=100.0))
    return TakenCodec(codec, whole, epoch, whole.final, Path(), about, is_measured=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where MLflow holds the runs of two trials."""
    folder = tmp_path_factory.mktemp("mlflow")
    record(folder, [trial(0), trial(1)])
    return folder


@pytest.fixture
def registry(
    folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Registry:
    """A registered model of each test's own; nothing may be unpickled."""
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database(folder))
    name = request.node.name.translate(str.maketrans("[]", "--")).rstrip("-")
    return Registry(database(folder), name, "quickstart", "")


@pytest.fixture
def load(folder: Path) -> Iterator[Load]:
    """MLflow's own way to load a model, from this registry."""
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(database(folder))
    yield mlflow.pyfunc.load_model
    mlflow.set_tracking_uri(before)


def test_mlflow_gives_back_a_codec_that_compresses(registry: Registry, load: Load) -> None:
    one = taken(0)
    registered = registry.add(one, ["knee", "low-rate"])
    assert (registered.version, registered.is_new) == ("1", True)
    assert registered.uri.endswith("@knee")
    model = load(registered.uri)
    data = model.predict(CLOUD)
    assert data.dtype == np.uint8
    assert data.tobytes() == one.codec.compress(CLOUD)
    decoded = model.get_raw_model().decompress(data.tobytes())
    np.testing.assert_array_equal(decoded.points, one.codec.decompress(data.tobytes()).points)
    assert open_codec(Path(registered.uri)).codec.compress(CLOUD) == data.tobytes()


def test_a_codec_with_normals_takes_six_columns(registry: Registry, load: Load) -> None:
    one = taken(0, model=ARCHITECTURES["normals"])
    model = load(registry.add(one, []).uri)
    normals = unit_vectors(7, len(CLOUD))
    data = model.predict(np.hstack([CLOUD, normals.astype(np.float64)]))
    assert data.tobytes() == one.codec.compress(CLOUD, normals)


def test_the_artifact_is_data_and_words(registry: Registry, folder: Path) -> None:
    registry.add(taken(1), [])
    (artifacts,) = folder.glob(f"artifacts/{registry.run_of(1)}/artifacts/codec")
    files = {
        path.relative_to(artifacts).as_posix() for path in artifacts.rglob("*") if path.is_file()
    }
    assert files == {
        "epoch-0003/MLmodel",
        "epoch-0003/README.md",
        *(
            f"epoch-0003/codec/{name}"
            for name in ("codec.json", "weights.safetensors", "tables.safetensors")
        ),
    }


def test_a_version_says_what_it_is(registry: Registry, folder: Path) -> None:
    registered = registry.add(taken(1), ["high-rate"])
    client = connect(database(folder))
    version = client.get_model_version_by_alias(registered.model, "high-rate")
    assert version.run_id == registry.run_of(1)
    assert client.get_run(version.run_id).data.tags["trial"] == "1"
    expected = {
        "study": "quickstart",
        "trial": "1",
        "epoch": "3",
        "bpp": "1",
        "d1_psnr_db": "36",
    }
    assert expected.items() <= version.tags.items()
    assert version.tags["codec_id"] == taken(1).codec.codec_id.hex()
    for said in (
        "Trial 1 of the study quickstart after epoch 3",
        "| bpp | 1.000 |",
        "| loss.bpp_lambda | 0.02 |",
    ):
        assert said in f"{version.description}"


def test_the_same_codec_is_registered_once(registry: Registry, folder: Path) -> None:
    first = registry.add(taken(0), ["knee"])
    again = registry.add(taken(0), ["low-rate"])
    assert (again.version, again.is_new) == (first.version, False)
    versions = connect(database(folder)).search_model_versions(f"name = '{first.model}'")
    assert len(versions) == 1
    model = connect(database(folder)).get_registered_model(first.model)
    assert set(model.aliases) == {"knee", "low-rate"}


def test_an_alias_moves_to_the_newest(registry: Registry, folder: Path) -> None:
    registry.add(taken(0), ["knee", "low-rate"])
    other = registry.add(taken(1, seed=5), ["knee"])
    assert other.version == "2"
    aliases = connect(database(folder)).get_registered_model(other.model).aliases
    assert {name: str(version) for name, version in aliases.items()} == {
        "knee": "2",
        "low-rate": "1",
    }


def test_an_epoch_is_a_version_of_its_own(registry: Registry) -> None:
    assert registry.add(taken(0), []).version == "1"
    assert registry.add(taken(0, seed=3, epoch=2), []).version == "2"


def test_a_codec_that_was_tampered_with_is_refused(
    registry: Registry, load: Load, folder: Path
) -> None:
    registered = registry.add(taken(0, seed=11), ["knee"])
    (weights,) = folder.glob(f"artifacts/{registry.run_of(0)}/**/epoch-0003/**/weights.safetensors")
    whole = bytearray(weights.read_bytes())
    whole[-1] ^= 1
    weights.write_bytes(whole)
    with pytest.raises(CodecError, match="a file was changed or exchanged"):
        load(registered.uri)
    with pytest.raises(CodecError, match="a file was changed or exchanged"):
        open_codec(Path(registered.uri))


def test_code_that_was_put_beside_a_codec_has_no_say(registry: Registry, folder: Path) -> None:
    one = taken(1, seed=12)
    registered = registry.add(one, ["knee"])
    (place,) = folder.glob(f"artifacts/{registry.run_of(1)}/artifacts/codec/epoch-0003")
    (place / "evil.py").write_text("raise SystemExit('was run')")
    description = (place / "MLmodel").read_text().replace("study.registry.flavor", "evil")
    (place / "MLmodel").write_text(description.replace("data: codec", "data: codec\n    code: ."))
    assert open_codec(Path(registered.uri)).codec.codec_id == one.codec.codec_id


def test_a_trial_without_a_run_is_a_sentence(registry: Registry) -> None:
    with pytest.raises(StudyError, match=r"has none of trial 9 .*; `study mlflow sync quickstart`"):
        registry.add(taken(9), [])


def test_another_study_of_the_same_name_has_other_runs(folder: Path) -> None:
    with pytest.raises(StudyError, match="has none of trial 0"):
        Registry(database(folder), "codecs", "quickstart", "another").run_of(0)


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is no database"):
        Registry(database(tmp_path), "codecs", "quickstart", "")
    assert list(tmp_path.iterdir()) == []


def test_a_dead_server_is_a_sentence() -> None:
    with silent_port() as port:
        uri = f"http://me:secret@127.0.0.1:{port}"
        with pytest.raises(StudyError, match=r"cannot be opened .*Connection refused") as told:
            Registry(uri, "codecs", "quickstart", "")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    "address", ["models:/codecs", "models:/codecs/one", "models:/a/b@c", "models:/"]
)
def test_an_address_that_is_none_is_a_sentence(address: str) -> None:
    with pytest.raises(StudyError, match=r"models:/NAME@ALIAS or models:/NAME/VERSION"):
        open_codec(Path(address))


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("address", ["models:/none@knee", "models:/none/1"])
def test_a_codec_that_is_not_registered_is_a_sentence(address: str) -> None:
    with pytest.raises(StudyError, match="not found"):
        open_codec(Path(address))


@pytest.mark.parametrize("alias", ["", "latest", "Latest", "v1", "a b", "a/b", "ä", "--"])
def test_what_mlflow_takes_for_no_alias_is_refused(alias: str) -> None:
    with pytest.raises(StudyError, match="an alias has letters"):
        check_alias(alias)


@pytest.mark.parametrize("alias", ["knee", "low-rate", "v1a", "best_2", "7"])
def test_what_mlflow_takes_for_an_alias_is_not(alias: str, registry: Registry) -> None:
    check_alias(alias)
    assert registry.add(taken(0), [alias]).aliases == (alias,)
