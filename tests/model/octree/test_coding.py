"""The octree's coder: round trips, the kernel and its plain twin, damage."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from model.errors import CodecError, DamagedFileError
from model.native.library import library
from model.octree import coding
from model.octree.coding import OctreeTables, bits, decode, encode, learned, morton_order
from model.octree.plain import PlainOctree
from model.octree.tables import State, constants
from study.data.sources import EmbeddedObjects

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from model.octree.coding import Box, Occupied

GOLDEN = ["724888ae8051adbb", "da1a310f75885f03"]
"""Of streams, begun without tables and with them; new ones need a new version of the file."""


@dataclass(frozen=True)
class Case:
    """A cloud of voxels in Morton order."""

    voxels: NDArray[np.int64]
    counts: NDArray[np.int64] | None
    depth: int
    box: Box

    @classmethod
    def of(
        cls, voxels: NDArray[np.int64], depth: int, counts: NDArray[np.int64] | None = None
    ) -> Case:
        """Sorted, with the tightest box."""
        order = morton_order(voxels)
        x, y, z = (int(c) + 1 for c in voxels.max(axis=0))
        return cls(voxels[order], None if counts is None else counts[order], depth, (x, y, z))

    def encoded(self, tables: OctreeTables | None = None) -> bytes:
        return encode(self.voxels, self.counts, self.depth, self.box, tables)

    def decoded(self, data: bytes, tables: OctreeTables | None = None) -> Occupied:
        total = 0 if self.counts is None else int(self.counts.sum())
        return decode(
            data,
            self.depth,
            self.box,
            tables,
            counted=self.counts is not None,
            most_voxels=len(self.voxels),
            most_points=total,
        )

    def bits(self, tables: OctreeTables | None = None) -> float:
        return bits(self.voxels, self.counts, self.depth, self.box, tables)

    def learned(self, tables: OctreeTables | None = None) -> OctreeTables:
        return learned(tables, self.voxels, self.counts, self.depth, self.box)


def surface(seed: int, points: int, depth: int, *, counted: bool) -> Case:
    """A wavy sheet of voxels, some of them hit more than once."""
    rng = np.random.default_rng(seed)
    xz = rng.random((points, 2))
    y = 0.4 + 0.2 * np.sin(7 * xz[:, 0]) * np.cos(5 * xz[:, 1])
    cells = np.stack([xz[:, 0], y, xz[:, 1]], axis=1) * (1 << depth)
    voxels, counts = np.unique(cells.astype(np.int64), axis=0, return_counts=True)
    return Case.of(voxels, depth, counts if counted else None)


def scattered(seed: int, points: int, depth: int, *, counted: bool) -> Case:
    """Voxels anywhere, up to very many points in each."""
    rng = np.random.default_rng(seed)
    voxels = np.unique(rng.integers(0, 1 << depth, (points, 3)), axis=0)
    counts = (2.0 ** rng.uniform(0, 40, len(voxels))).astype(np.int64)
    return Case.of(voxels, depth, counts if counted else None)


def _cube(side: int) -> NDArray[np.int64]:
    cells: NDArray[np.int64] = np.stack(np.meshgrid(*[np.arange(side)] * 3), axis=-1).reshape(-1, 3)
    return cells


def _shapes() -> dict[str, Case]:
    line = np.arange(200)
    flat = _cube(20)
    return {
        "one voxel": Case.of(np.array([[0, 0, 0]]), 0),
        "one voxel, counted": Case.of(np.array([[0, 0, 0]]), 0, np.array([8_192])),
        "one voxel, deep": Case.of(np.array([[2**21 - 1, 7, 2**20]]), 21),
        "two corners": Case.of(np.array([[0, 0, 0], [2**21 - 1] * 3]), 21),
        "full cube": Case.of(_cube(8), 3),
        "not a power of two": Case.of(_cube(7), 3),
        "line": Case.of(np.stack([line, 0 * line, 2 * line], axis=1), 9),
        "plane": Case.of(flat[flat[:, 1] == 19], 5),
    }


CASES: dict[str, Callable[[int], Case]] = {
    **{name: lambda _, case=case: case for name, case in _shapes().items()},  # type: ignore[misc]
    "surface": lambda seed: surface(seed, 400, 6, counted=False),
    "surface, counted": lambda seed: surface(seed, 500, 4, counted=True),
    "surface, blocks": lambda seed: surface(seed, 150, 10, counted=True),
    "scattered": lambda seed: scattered(seed, 200, 3, counted=True),
    "scattered, deep": lambda seed: scattered(seed, 20, 21, counted=True),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, seed: int) -> Case:
    return CASES[request.param](seed)


@pytest.fixture(scope="module")
def tables() -> OctreeTables:
    """Of clouds like those of the cases."""
    made = None
    for which in range(3):
        made = surface(which, 3_000, 5, counted=True).learned(made)
    assert made is not None
    return made


@pytest.fixture(params=["trained", "untrained"])
def start(request: pytest.FixtureRequest, tables: OctreeTables) -> OctreeTables | None:
    return tables if request.param == "trained" else None


def test_what_is_coded_comes_back(case: Case, start: OctreeTables | None) -> None:
    found = case.decoded(case.encoded(start), start)
    np.testing.assert_array_equal(found.voxels, case.voxels)
    assert (found.counts is None) == (case.counts is None)
    if case.counts is not None and found.counts is not None:
        np.testing.assert_array_equal(found.counts, case.counts)


def test_files_are_as_long_as_estimated(case: Case, start: OctreeTables | None) -> None:
    ideal = case.bits(start) / 8
    assert ideal - 1 <= len(case.encoded(start)) <= 1.01 * ideal + 2


@pytest.mark.skipif(library() is None, reason="there is no C++ compiler here")
def test_the_twin_agrees_to_the_bit(
    case: Case, start: OctreeTables | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, ideal, after = case.encoded(start), case.bits(start), case.learned(start)
    monkeypatch.setattr(coding, "library", lambda: None)
    assert case.encoded(start) == data
    np.testing.assert_array_equal(case.decoded(data, start).voxels, case.voxels)
    # What `bits` and `learned` do, at once.
    state = State.of(start)
    twin = PlainOctree(case.depth, case.box, constants(), state)
    bits = twin.bits(coding._keys(case.voxels), case.counts)
    assert bits == pytest.approx(ideal, rel=1e-9, abs=1e-9)
    for name, array in state.tables().arrays().items():
        np.testing.assert_array_equal(array, after.arrays()[name], err_msg=name)


@pytest.mark.skipif(library() is None, reason="there is no C++ compiler here")
def test_the_twin_agrees_on_a_real_object(
    start: OctreeTables | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = EmbeddedObjects()
    points = objects.read(min(objects.point_counts)).points
    voxels, counts = np.unique((points // 256).astype(np.int64), axis=0, return_counts=True)
    case = Case.of(voxels, 4, counts)
    data = case.encoded(start)
    monkeypatch.setattr(coding, "library", lambda: None)
    assert case.encoded(start) == data
    found = case.decoded(data, start)
    np.testing.assert_array_equal(found.voxels, case.voxels)
    assert found.counts is not None
    np.testing.assert_array_equal(found.counts, counts[morton_order(voxels)])


def test_streams_are_the_same_for_ever() -> None:
    """From every machine and version: files are read by what their writer computed."""
    cells = _cube(24)
    cells = cells[(cells[:, 0] * 7 + cells[:, 1] * 5 + cells[:, 2] * 3) % 31 < 4]
    case = Case.of(cells * 37 % 1009, 10, 1 + cells[:, 0] * cells[:, 2])
    tables = case.learned()
    streams = case.encoded(), case.encoded(tables)
    digests = [hashlib.sha256(stream).hexdigest()[:16] for stream in streams]
    assert digests == GOLDEN


def test_nothing_waits_for_torch() -> None:
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, model.octree.coding as c; c.encode; assert 'torch' not in sys.modules",
        ],
        check=True,
    )


def test_tables_save_bits_and_are_left_alone(seed: int, tables: OctreeTables) -> None:
    before = {name: array.copy() for name, array in tables.arrays().items()}
    case = surface(seed, 2_000, 5, counted=True)
    assert case.bits(tables) < 0.95 * case.bits()
    assert case.bits(case.learned(tables)) < case.bits(tables)
    for name, array in tables.arrays().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_tables_travel_as_arrays(tables: OctreeTables) -> None:
    again = OctreeTables.of(tables.arrays())
    case = surface(1, 300, 4, counted=False)
    assert case.encoded(again) == case.encoded(tables)


@pytest.mark.parametrize("by", ["kernel", "twin"])
def test_damage_is_found_or_harmless(
    seed: int, tables: OctreeTables, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    if by == "twin":
        monkeypatch.setattr(coding, "library", lambda: None)
    found = 0
    rounds = 600 if by == "kernel" else 20
    for round_ in range(rounds):
        case = surface(seed + round_ % 3, 150, 4, counted=bool(round_ % 2))
        data = bytearray(case.encoded(tables))
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(len(data) + 1))
            match rng.integers(0, 4):
                case 0:
                    data[at : at + 1] = rng.bytes(1)
                case 1:
                    del data[at:]
                case 2:
                    data += rng.bytes(rng.integers(1, 5))
                case _:
                    data = bytearray(rng.bytes(len(data)))
        try:
            voxels, counts = case.decoded(bytes(data), tables)
        except DamagedFileError:
            found += 1
            continue
        again = encode(voxels, counts, case.depth, case.box, tables)
        assert again == data, "what is read is what an encoder writes"
    # One in 256 ends as an encoder's would; some mutations change nothing.
    assert found > 0.6 * rounds


def test_a_stream_pays_for_what_it_makes(tables: OctreeTables) -> None:
    # Endless zeros after the end would go on for ever.
    for data in (b"", b"\0", b"\xff", b"\xff" * 9, b"\0" * 9):
        with pytest.raises(DamagedFileError):
            decode(
                data,
                21,
                (1 << 21,) * 3,
                tables,
                counted=False,
                most_voxels=1 << 20,
                most_points=1,
            )


@pytest.mark.filterwarnings("ignore:an octree of:RuntimeWarning")  # without kernels
def test_a_short_stream_makes_a_large_cloud_where_an_encoder_says_so() -> None:
    """The bound on voxels per byte is beyond what the best compressible cloud reaches."""
    case = Case.of(_cube(64), 6)
    data = case.encoded()
    np.testing.assert_array_equal(case.decoded(data).voxels, case.voxels)
    assert len(case.voxels) < coding.MOST_VOXELS_PER_BYTE * len(data)


def test_no_memory_is_asked_for_that_a_stream_cannot_fill() -> None:
    with pytest.raises(DamagedFileError):
        decode(
            bytes(9),
            *(21, (1 << 21,) * 3, None),
            counted=True,
            most_voxels=1 << 50,
            most_points=1 << 40,
        )


@pytest.mark.parametrize(
    ("voxels", "counts", "depth", "box", "sentence"),
    [
        ([[0, 0, 4]], None, 2, (4, 4, 4), "within the box"),
        ([[-1, 0, 0]], None, 2, (4, 4, 4), "within the box"),
        (np.zeros((0, 3)), None, 2, (4, 4, 4), "at least one"),
        ([[1, 0, 0], [0, 0, 0]], None, 2, (4, 4, 4), "Morton order"),
        ([[1, 0, 0], [1, 0, 0]], None, 2, (4, 4, 4), "distinct"),
        ([[0, 0, 0]], None, 2, (5, 4, 4), "a box of 1 to"),
        ([[0, 0, 0]], None, 22, (4, 4, 4), "0 to 21 levels"),
        ([[0, 0, 0]], [0], 2, (4, 4, 4), "number of points"),
        ([[0, 0, 0]], [1, 1], 2, (4, 4, 4), "number of points"),
    ],
)
def test_what_cannot_be_coded_is_refused(
    voxels: list[list[int]], counts: list[int] | None, depth: int, box: Box, sentence: str
) -> None:
    given = np.array(voxels, dtype=np.int64)
    numbers = None if counts is None else np.array(counts)
    with pytest.raises(CodecError, match=sentence):
        encode(given, numbers, depth, box, None)


@pytest.mark.parametrize("change", ["missing", "type", "shape", "range"])
def test_wrong_tables_are_refused(tables: OctreeTables, change: str) -> None:
    arrays = dict(tables.arrays())
    match change:
        case "missing":
            del arrays["count_seen"]
        case "type":
            arrays["count_seen"] = arrays["count_seen"].astype(np.int64)
        case "shape":
            arrays["count_seen"] = arrays["count_seen"][:, 1:]
        case _:
            arrays["count_weights"] = arrays["count_weights"] * 0 + (1 << 22) + 1
    with pytest.raises(CodecError, match="octree's tables"):
        OctreeTables.of(arrays)
