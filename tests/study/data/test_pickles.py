"""D-PCC's pickled data sets, and pickles that want more than to be read."""

from __future__ import annotations

import collections
import io
import os
import pickle
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from study.base.errors import StudyError
from study.config import DataRecipe
from study.data import open_data_set, prepare
from study.data.pickles import PickledDataSet
from study.data.sources import open_source
from study.data.unpickling import as_array, read_pickle
from study.families.dpcc.hierarchies import Hierarchies
from tests.study.clouds.making import points_and_normals

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

CUBE_SIZE = 50.0
PER_SIDE = 2


def dpcc_clouds(count: int = 4, points: int = 400) -> dict[int, dict[str, Any]]:
    """What D-PCC's preparation makes: cubes of rows (x, y, z, normal), in one frame of 0 to 100."""
    data = {}
    for index in range(count):
        xyz, normals = points_and_normals(index, points)
        rows = np.concatenate([xyz + 50.0, normals], axis=1)
        x, y, z = np.minimum(rows[:, :3] // CUBE_SIZE, PER_SIDE - 1).astype(int).T
        cube = x * PER_SIDE**2 + y * PER_SIDE + z
        data[index] = {
            "points": {int(key): rows[cube == key] for key in np.unique(cube)},
            "meta_data": {
                "shift": np.zeros(3),
                "max_coord": np.float64(100.0),
                "min_coord": np.float32(0.5),
            },
        }
    return data


def written(path: Path, data: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(data, protocol=protocol))
    return path


def opened(path: Path) -> PickledDataSet:
    source = open_source(DataRecipe(source=str(path)))
    assert isinstance(source, PickledDataSet)
    return source


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_data_set_is_read_whatever_the_protocol(tmp_path: Path, protocol: int) -> None:
    data = dpcc_clouds()
    source = opened(written(tmp_path / "train.pkl", data, protocol))
    assert source.name == "train-pkl"
    assert source.point_counts == dict.fromkeys("0123", 400)
    for index, entry in data.items():
        rows = np.concatenate(list(entry["points"].values()))
        cloud = source.read(str(index))
        np.testing.assert_array_equal(cloud.points, rows[:, :3])
        assert cloud.normals is not None
        np.testing.assert_allclose(cloud.normals, rows[:, 3:], atol=1e-6)


def test_pickles_of_numpy_2_are_read(tmp_path: Path) -> None:
    text = pickle.dumps(dpcc_clouds(1), protocol=2).replace(b"numpy.core.", b"numpy._core.")
    (tmp_path / "train.pkl").write_bytes(text)
    assert opened(tmp_path / "train.pkl").point_counts == {"0": 400}


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=kind).reshape(shape)
        for kind in ("<f8", ">f4", "<f2", "<i8", ">u2", "i1")
        for shape in ((12,), (3, 4), (2, 3, 2), (0, 6))
        if np.prod(shape) == 12
    ]
    + [np.asfortranarray(np.arange(12.0).reshape(3, 4)), np.empty((0, 6), np.float32)],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_arrays_come_back_as_they_were(array: NDArray[Any], protocol: int) -> None:
    note = read_pickle(io.BytesIO(pickle.dumps(array, protocol=protocol)), "a.pkl")
    found = as_array(note, "a.pkl")
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype


def test_a_pickled_data_set_is_prepared(tmp_path: Path) -> None:
    path = written(tmp_path / "train.pkl", dpcc_clouds())
    recipe = DataRecipe(source=str(path), min_points=20, min_points_evaluation=20, normals=True)
    form = Hierarchies((1 / 3,), 8)
    data = open_data_set(prepare(recipe, form=form, root=tmp_path / "data"), form)
    assert sum(entry.all_points for entry in data.manifest.clouds) == 4 * 400
    assert all(patch.contents.normals is not None for patch in data.split("train"))


class Runs:
    """Pickles as a call."""

    def __init__(self, function: object, *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:  # noqa: ANN401
        return self._call


def touch(target: Path) -> tuple[object, ...]:
    return (os.system, f"touch {target}")


def in_object_array(call: Runs) -> NDArray[np.object_]:
    return np.array([call, None], dtype=object)


def in_object_scalar(call: Runs) -> Runs:
    return Runs(_scalar(np.float64(1.0)), np.dtype("O"), call)


def _scalar(number: np.float64) -> object:
    """The function by which NumPy pickles a number."""
    reduced = number.__reduce__()
    assert isinstance(reduced, tuple)
    return reduced[0]


def in_an_array_of_the_data_set(call: Runs) -> dict[int, dict[str, Any]]:
    data = dpcc_clouds(1)
    data[0]["points"][0] = in_object_array(call)
    return data


HIDING_PLACES: dict[str, Callable[[Runs], object]] = {
    "bare": lambda call: call,
    "nested": lambda call: {0: {"points": {0: [(call,)]}}},
    "as a key": lambda call: {0: {"points": {(call,): 1}}},
    "an object array": in_object_array,
    "an object scalar": in_object_scalar,
    "an array of the data set": in_an_array_of_the_data_set,
    "meta data": lambda call: dpcc_clouds(1) | {1: {"points": {}, "meta_data": call}},
    "an argument": lambda call: Runs(np.dtype, call),
}


@pytest.mark.parametrize("place", HIDING_PLACES)
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_malicious_pickle_does_not_run(tmp_path: Path, place: str, protocol: int) -> None:
    target = tmp_path / "was-here"
    evil = HIDING_PLACES[place](Runs(*touch(target)))
    path = written(tmp_path / "evil.pkl", evil, protocol)
    with pytest.raises(StudyError, match=r"evil\.pkl") as caught:
        opened(path)
    assert "names posix.system; it was not run" in str(caught.value)
    assert not target.exists()
    with suppress(TypeError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pickle.loads(path.read_bytes())  # noqa: S301 - shows that it would have run
    assert target.exists()


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (Runs(eval, "1"), "builtins.eval"),
        (Runs(getattr, "text", "upper"), "builtins.getattr"),
        (Runs(__import__, "os"), "builtins.__import__"),
        (collections.OrderedDict(), "collections.OrderedDict"),
        (np.float64, "numpy.float64"),
        (np.load, "numpy.load"),
        (Path(), "pathlib.PosixPath"),
    ],
)
def test_any_other_name_is_refused(tmp_path: Path, call: object, named: str) -> None:
    path = written(tmp_path / "a.pkl", {0: call})
    with pytest.raises(StudyError, match=rf"a\.pkl names {named}; it was not run: do not trust"):
        opened(path)


GLOBAL_DTYPE = b"cnumpy\ndtype\n"


@pytest.mark.parametrize(
    "program",
    [
        GLOBAL_DTYPE + b"}S'_function'\ncbuiltins\neval\nsb.",
        GLOBAL_DTYPE + b"(N}V_function\nNstb.",
        GLOBAL_DTYPE + b"(N(dVx\nNstb.",
        b"\x80\x02" + GLOBAL_DTYPE + b"}X\x09\x00\x00\x00_functionNsb.",
        b"\x80\x02cnumpy\nndarray\n)\x81.",
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00zip\x86R.",
        b"\x80\x02]r\xff\xff\xff\x0f.",  # a memo of 2^28 entries
        b"\x80\x04\x8e" + b"\xff" * 7 + b"\x0f",  # 2^60 bytes that are not there
        b"\x80\x05\x96" + b"\xff" * 4 + bytes(4),  # 2^32 bytes to change that are not there
    ],
)
def test_tricks_are_refused_and_change_nothing(tmp_path: Path, program: bytes) -> None:
    (tmp_path / "a.pkl").write_bytes(program)
    with pytest.raises(StudyError, match=r"a\.pkl"):
        opened(tmp_path / "a.pkl")
    good = written(tmp_path / "good.pkl", dpcc_clouds(1), protocol=2)
    assert opened(good).point_counts == {"0": 400}


@pytest.mark.parametrize(
    ("data", "given"),
    [
        ([1, 2], "is list without any cloud"),
        ({}, "is dict without any cloud"),
        ({0: {"meta_data": {}}}, "has no dictionary of points for 0"),
        ({"a": np.zeros(3)}, "has no dictionary of points for 'a'"),
        ({0: {"points": {0: np.zeros((5, 3))}}}, r"has a cube of shape \(5, 3\) for 0"),
        ({0: {"points": {0: [1.0]}}}, r"\[0\] has list; convert it"),
        ({0: {"points": {0: np.array(["a"])}}}, "an array must be of numbers, not of 'U1'"),
        (
            {0: {"points": {0: np.ones((5, 6)), 1: np.ones((5, 6))}}},
            "has cubes that all lie around the origin for 0, each in its own frame",
        ),
    ],
)
def test_data_of_another_shape_are_refused(tmp_path: Path, data: object, given: str) -> None:
    with pytest.raises(StudyError, match=given):
        opened(written(tmp_path / "a.pkl", data))


def test_a_cloud_without_points_is_refused_when_it_is_read(tmp_path: Path) -> None:
    source = opened(written(tmp_path / "a.pkl", {7: {"points": {}}}))
    with pytest.raises(StudyError, match=r"a cloud must have points, and .*a\.pkl\[7\] has none"):
        source.read("7")


def clouds_or_sentence(path: Path) -> str | None:
    try:
        source = opened(path)
        clouds = [source.read(cloud) for cloud in source.point_counts]
    except StudyError as error:
        return str(error)
    assert all(np.isfinite(cloud.points).all() for cloud in clouds)
    return None


def test_damage_anywhere_gives_clouds_or_a_sentence(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path = tmp_path / "a.pkl"
    whole = pickle.dumps(dpcc_clouds(2, 12), protocol=int(rng.integers(2, 6)))
    sentences = 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(rng.integers(1, 5)):
            content[rng.integers(len(content))] = rng.integers(256)
        path.write_bytes(content[: rng.integers(len(content) // 2, len(content) + 1)])
        sentence = clouds_or_sentence(path)
        if sentence is not None:
            assert str(path) in sentence
            sentences += 1
    assert sentences
