"""Workers on machines that do not see the driver's disk: all goes through the storeroom, whole."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import ray

from study.base.errors import StudyError
from study.cohorts.folders import CohortFolders, Opening
from study.cohorts.orders import Order
from study.cohorts.worker_progress import PROGRESS_FILE
from study.config import CohortConfig
from study.data import open_data_set
from study.data.fetching import fetched
from study.workers.places import Elsewhere, Here, place_of
from study.workers.storeroom import Counter, Storeroom, serving
from study.workers.trainable import COHORT_CONFIG, CohortTrainable
from tests.study.tiny import tiny_data_set
from tests.study.workers.test_trainable import stepped, trials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from study.data import DataSet


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return tiny_data_set(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def running_ray() -> Iterator[None]:
    ray.init("local", num_cpus=1, include_dashboard=False, logging_level=50)
    yield
    ray.shutdown()


@pytest.fixture
def cohort(
    tmp_path: Path, data: DataSet, running_ray: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CohortConfig]:
    """A cohort whose worker believes that the driver's disk is another: it sees no mark there."""
    assert running_ray is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("study.workers.trainable.device_of_worker", lambda: "cpu")
    monkeypatch.setattr("ray.tune.trainable.trainable.DEFAULT_STORAGE_PATH", str(tmp_path / "ray"))
    study = tmp_path / "study"
    study.mkdir()
    members = [each.model_copy(update={"data_folder": str(data.folder)}) for each in trials()]
    with serving(study, study / "cohorts", [data.folder]) as storeroom:
        (study / "cohorts" / storeroom).unlink()
        yield CohortConfig(
            cohort=0,
            trials=tuple(members),
            size=2,
            folder=str(CohortFolders(study / "cohorts").open(0).path),
            codecs=str(study / "codecs"),
            storeroom=storeroom,
        )


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_worker_elsewhere_hands_all_over_and_goes_on_from_it(
    cohort: CohortConfig, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    worker = CohortTrainable({COHORT_CONFIG: cohort.model_dump_json()})
    assert isinstance(worker._place, Elsewhere)
    assert stepped(worker) == ([(0, 1), (1, 1)], "")
    step = "cohorts/cohort-0000/opening-001/step-000001"
    codecs = [f"codecs/trial-000{n}/epoch-0001.pt" for n in (0, 1)]
    assert files_below(study) == [*codecs, f"{step}/{PROGRESS_FILE}", f"{step}/toy.json"]
    worker._place.leave()
    # Another machine, whose worker is told of both checkpoints: the newest, and one that is gone.
    told = (str(study / "gone"), str(study / step))
    opening = str(CohortFolders(study / "cohorts").open(0).path)
    again = cohort.model_copy(update={"restore": told, "folder": opening})
    worker = CohortTrainable({COHORT_CONFIG: again.model_dump_json()})
    assert stepped(worker) == ([(0, 1), (1, 1)], ""), "its last report is told again"
    assert stepped(worker)[0] == [(0, 2), (1, 2)]


def test_orders_reach_a_worker_elsewhere(cohort: CohortConfig) -> None:
    worker = CohortTrainable({COHORT_CONFIG: cohort.model_dump_json()})
    stepped(worker)
    Opening(Path(cohort.folder)).give(Order(leave=(1,)))
    assert stepped(worker)[0] == [(0, 2)]
    assert stepped(worker)[0] == [(0, 3)]
    assert stepped(worker)[0] == [(0, "measured")]
    worker.cleanup()


def test_a_worker_that_sees_the_mark_uses_the_disk(cohort: CohortConfig) -> None:
    assert cohort.storeroom is not None
    (Path(cohort.folder).parents[1] / cohort.storeroom).touch()
    assert isinstance(place_of(cohort), Here)
    assert isinstance(place_of(cohort.model_copy(update={"storeroom": None})), Here)


def test_no_checkpoint_is_written_into_an_opening_that_is_gone(cohort: CohortConfig) -> None:
    place = place_of(cohort)
    shutil.rmtree(cohort.folder)
    with pytest.raises(FileNotFoundError):
        place.write_checkpoint(1, lambda folder: (folder / "a").touch())
    assert not Path(cohort.folder).exists()
    place.leave()


def test_the_storeroom_leads_nowhere_else(tmp_path: Path) -> None:
    study, data, other = (tmp_path / name for name in ("study", "data", "other"))
    for folder in (study, data, other):
        folder.mkdir()
        (folder / "file").write_text(folder.name)
    room = Storeroom(study, [data])
    assert room.read(str(study / "file"), 0) == b"study"
    assert room.read(str(data / "file"), 2) == b"ta"
    assert room.read(str(data / "file"), 4) == b""
    (study / "link").symlink_to(other)
    for path in (other / "file", study / "../other/file", study / "link/file"):
        with pytest.raises(StudyError, match="neither"):
            room.read(str(path), 0)
    for name in ("../other/new", "link/new", str(data / "new")):
        with pytest.raises(StudyError, match="neither"):
            room.write({name: b""})
    assert files_below(tmp_path) == ["data/file", "other/file", "study/file"]


def test_a_data_set_is_fetched_once_checked_and_used_as_it_is(
    data: DataSet, tmp_path: Path
) -> None:
    read: list[str] = []

    def reading(file: str, offset: int) -> bytes:
        read.append(Path(file).name)
        return Path(file).read_bytes()[offset : offset + 1000]

    there = Path("/nowhere") / data.folder.name

    def of_another_disk(file: str, offset: int) -> bytes:
        return reading(str(data.folder / Path(file).name), offset)

    copy = fetched(there, of_another_disk, tmp_path / "cache")
    assert open_data_set(copy, verify=True).manifest == data.manifest
    assert set(read) == {"manifest.json", *data.manifest.files}
    read.clear()
    assert fetched(there, of_another_disk, tmp_path / "cache") == copy
    assert set(read) == {"manifest.json"}
    assert fetched(data.folder, reading, tmp_path / "cache") == data.folder, "seen from here"


@pytest.mark.parametrize("damage", ["changed", "cut"])
def test_a_data_set_that_is_damaged_on_its_way_is_refused(
    data: DataSet, tmp_path: Path, damage: str
) -> None:
    def reading(file: str, offset: int) -> bytes:
        content = (data.folder / Path(file).name).read_bytes()
        if file.endswith("train.arrow"):
            content = content[:-1] if damage == "cut" else content[:-1] + b"?"
        return content[offset:]

    with pytest.raises(StudyError, match=r"train\.arrow"):
        fetched(Path("/nowhere/data"), reading, tmp_path)
    assert files_below(tmp_path) == [".lock"]


def test_a_storeroom_that_died_is_there_again(cohort: CohortConfig) -> None:
    assert cohort.storeroom is not None
    counter = Counter(cohort.storeroom)
    actor = counter._actor
    ray.kill(actor, no_restart=False)
    assert counter.content(cohort.folder) == []
