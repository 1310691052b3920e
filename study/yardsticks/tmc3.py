"""G-PCC by MPEG's own program, `tmc3`, which the user has: it is in no package registry.

G-PCC is ISO/IEC 23090-9; the program is TMC13 (https://github.com/MPEGGroup/mpeg-pcc-tmc13).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from study.base.errors import StudyError
from study.clouds import read_cloud, write_cloud
from study.metrics import longest_side
from study.yardsticks.yardstick import CodedYardstick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from study.clouds import Cloud

DEPTHS = tuple(range(3, 9))
GRID_DEPTH = 12
"""Clouds are rounded to so many bits over the longest side before the program sees them, as those
of the recorded table are by nature."""

SETTINGS = (
    "mergeDuplicatedPoints=1",
    "neighbourAvailBoundaryLog2=8",
    "intra_pred_max_node_size_log2=6",
    "maxNumQtBtBeforeOt=4",
    "planarEnabled=1",
    "planarModeIdcmUse=0",
)
"""Of the encoder, besides the scale; the recorded table was made with the same."""

_VERSION = re.compile(r"version\s+(\S+)")
_LONGEST_COMPLAINT = 300
_START_S, _SLOWEST_POINTS_PER_S = 60.0, 10_000
"""A call that takes longer hangs: fifty times what v23 takes."""


@dataclass(frozen=True)
class Tmc3Cloud:
    """What comes out of the program. Normals are not coded."""

    points: NDArray[np.float64]
    normals: None = None


@dataclass(frozen=True)
class Tmc3:
    """G-PCC's octree at one depth.

    Attributes:
        program: the user's `tmc3`.
        depth: of the octree over `2^GRID_DEPTH` steps; points that fall into one voxel are merged.
        start_s: seconds that a call may take, besides those for its points.
    """

    program: Path
    depth: int
    start_s: float = _START_S
    codes_normals: ClassVar[bool] = False

    def compress(
        self, points: NDArray[np.float64], normals: NDArray[np.float32] | None = None
    ) -> bytes:
        """Return the bitstream of points (n, 3) between 0 and `2^GRID_DEPTH - 1`."""
        assert normals is None
        with TemporaryDirectory() as folder:
            cloud, stream = Path(folder) / "cloud.ply", Path(folder) / "cloud.bin"
            write_cloud(cloud, np.rint(points))
            scale = f"positionQuantizationScale={2.0 ** (self.depth - GRID_DEPTH)!r}"
            places = (f"uncompressedDataPath={cloud}", f"compressedStreamPath={stream}")
            self._run(("mode=0", *places, scale, *SETTINGS), stream, len(points))
            return stream.read_bytes()

    def decompress(self, data: bytes) -> Tmc3Cloud:
        """Return the points of a bitstream, in the frame of what was compressed."""
        with TemporaryDirectory() as folder:
            stream, cloud = Path(folder) / "cloud.bin", Path(folder) / "decoded.ply"
            stream.write_bytes(data)
            places = (f"compressedStreamPath={stream}", f"reconstructedDataPath={cloud}")
            self._run(("mode=1", *places, "outputBinaryPly=1"), cloud, len(data))
            return Tmc3Cloud(read_cloud(cloud).points)

    def _run(self, words: Sequence[str], made: Path, size: int) -> None:
        """Run the program, which has to make a file."""
        limit_s = self.start_s + size / _SLOWEST_POINTS_PER_S
        done = _called(self.program, words, limit_s)
        if done.returncode:
            raise StudyError(
                f"tmc3 must end well, but {self.program} ended with code {done.returncode} at "
                f"depth {self.depth}: {_last_words(done)}; try it by hand, or leave --tmc3 out"
            )
        if not made.exists():
            raise StudyError(
                f"tmc3 must write a file, but {self.program} ended well and wrote none at depth "
                f"{self.depth}: {_last_words(done)}; see that it is MPEG's program for G-PCC"
            )


def tmc3(
    program: str, *, depths: Sequence[int] = DEPTHS, start_s: float = _START_S
) -> CodedYardstick:
    """Return G-PCC by the user's program, one operating point for each depth.

    Args:
        program: its path, or its name where the shell finds it.
        depths: of the octree, from the lowest rate to the highest.
        start_s: seconds that a call may take, besides those for its points.

    Raises:
        StudyError: it cannot be run.
    """
    path = Path(shutil.which(program) or program).absolute()
    told = _called(path, ("help",), start_s)
    found = _VERSION.search(f"{told.stdout}\n{told.stderr}")
    version = found[1] if found else "of a version that it does not tell"
    return CodedYardstick(
        name="G-PCC",
        description=f"G-PCC by tmc3 {version}: octree, positionQuantizationScale="
        f"2^(depth-{GRID_DEPTH}) on clouds rounded to {GRID_DEPTH} bits, {', '.join(SETTINGS)}",
        coders=[(f"depth {depth}", Tmc3(path, depth, start_s)) for depth in depths],
        local=on_the_grid,
    )


def on_the_grid(cloud: Cloud) -> Cloud:
    """Move and scale a cloud so that its longest side goes from 0 to `2^GRID_DEPTH - 1`."""
    points = cloud.points - cloud.points.min(axis=0)
    return replace(cloud, points=points * ((2**GRID_DEPTH - 1) / longest_side(points)))


def _called(
    program: Path, words: Sequence[str], limit_s: float
) -> subprocess.CompletedProcess[str]:
    """Call the program with options; raise StudyError where it cannot be run, or hangs."""
    try:
        return subprocess.run(  # noqa: S603 (the user names the program)
            [program, *(f"--{word}" for word in words)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            check=False,
        )
    except OSError as error:
        raise StudyError(
            f"--tmc3 names MPEG's program for G-PCC, and {program} cannot be run "
            f"({error.strerror}); check the path"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise StudyError(
            f"tmc3 must end, but {program} was still at work after {limit_s:.0f} s and was "
            "stopped; try it by hand, or leave --tmc3 out"
        ) from error


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    lines = f"{done.stdout}\n{done.stderr}".split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return said[-1][:_LONGEST_COMPLAINT] if said else "it said nothing"
