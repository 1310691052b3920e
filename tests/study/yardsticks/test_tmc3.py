"""The user's own `tmc3`: called as it wants to be, and told in a sentence where it fails.

MPEG's program is in no package registry. A small program stands for it, with the same options; what
it writes is a grid like G-PCC's and compressed by zlib.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.base.errors import StudyError
from study.clouds import Cloud, write_cloud
from study.commands.main import main
from study.yardsticks.tmc3 import tmc3

if TYPE_CHECKING:
    from collections.abc import Callable

    Program = Callable[[str], Path]

PROGRAM = """#!{python} -IS
import json, struct, sys, time, zlib

print("MPEG PCC tmc3 version release-v0.1-pretended")
given = dict(word.removeprefix("--").partition("=")[::2] for word in sys.argv[1:])
if "help" in given:
    sys.exit(1)
with open({log!r}, "a") as file:
    print(json.dumps(given), file=file)
{fault}
if given["mode"] == "0":
    scale = float(given["positionQuantizationScale"])
    with open(given["uncompressedDataPath"], "rb") as file:
        head, _, rows = file.read().partition(b"end_header\\n")
    assert b"binary_little_endian" in head and b"property double x" in head
    found = {{tuple(round(x * scale) for x in row) for row in struct.iter_unpack("<3d", rows)}}
    places = b"".join(struct.pack("<3H", *place) for place in sorted(found))
    with open(given["compressedStreamPath"], "wb") as file:
        file.write(struct.pack("<d", scale) + zlib.compress(places))
else:
    with open(given["compressedStreamPath"], "rb") as file:
        data = file.read()
    (scale,) = struct.unpack("<d", data[:8])
    found = list(struct.iter_unpack("<3H", zlib.decompress(data[8:])))
    with open(given["reconstructedDataPath"], "wb") as file:
        head = f"ply\\nformat binary_little_endian 1.0\\nelement vertex {{len(found)}}\\n"
        head += "".join(f"property float {{axis}}\\n" for axis in "xyz") + "end_header\\n"
        file.write(head.encode())
        file.write(b"".join(struct.pack("<3f", *(x / scale for x in place)) for place in found))
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Makes a program that is called like `tmc3`, with a fault of one's choice."""

    def make(fault: str = "") -> Path:
        path = tmp_path / "tmc3"
        log = str(tmp_path / "calls")
        path.write_text(PROGRAM.format(python=sys.executable, log=log, fault=fault))
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def cloud(seed: int) -> Cloud:
    points = np.random.default_rng(seed).uniform(0, [7.0, 3.0, 2.0], size=(400, 3))
    return Cloud(points + np.array([4.5e6, 5.5e6, 200.0]), None, ())


def test_it_is_called_with_the_settings_of_the_record(
    program: Program, cloud: Cloud, tmp_path: Path
) -> None:
    made = tmc3(str(program("")), depths=(4,)).measure({"a": cloud})
    calls = list(map(json.loads, (tmp_path / "calls").read_text().splitlines()))
    encoder, decoder = calls[0], calls[-1]
    assert encoder["mode"] == "0"
    assert float(encoder["positionQuantizationScale"]) == 2.0**-8
    settled = {
        "mergeDuplicatedPoints": "1",
        "neighbourAvailBoundaryLog2": "8",
        "intra_pred_max_node_size_log2": "6",
        "maxNumQtBtBeforeOt": "4",
        "planarEnabled": "1",
        "planarModeIdcmUse": "0",
    }
    assert settled.items() <= encoder.items()
    assert decoder["mode"] == "1"
    assert "tmc3 release-v0.1-pretended" in made.description
    assert "planarModeIdcmUse=0" in made.description


def test_the_decibels_are_those_of_its_grid(program: Program, cloud: Cloud) -> None:
    """Each axis errs by step^2 / 12, where points are so few that none is near another's voxel."""
    made = tmc3(str(program("")), depths=(7, 8)).measure({"a": cloud})
    steps = 4095 / 2 ** (12 - np.array([7, 8]))
    truth = 10 * np.log10(12 * steps**2)
    assert [point.mean("d1_psnr_db") for point in made.points] == pytest.approx(truth, abs=0.6)
    assert [point.setting for point in made.points] == ["depth 7", "depth 8"]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            "print('the last words', file=sys.stderr); sys.exit(3)",
            r"tmc3 must end well, but .*tmc3 ended with code 3 at depth 3: the last words; try it",
        ),
        ("sys.exit(0)", r"ended well and wrote none at depth 3: MPEG PCC tmc3 version"),
        ("time.sleep(60)", r"was still at work after \d+ s and was stopped; try it by hand"),
    ],
)
def test_a_fault_is_a_sentence(program: Program, cloud: Cloud, fault: str, sentence: str) -> None:
    limit_s = 2.0 if "sleep" in fault else 60.0
    with pytest.raises(StudyError, match=sentence):
        tmc3(str(program(fault)), start_s=limit_s).measure({"a": cloud})


def test_a_program_that_is_none_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_cloud("a.ply", np.eye(3))
    Path("text").write_text("no program")
    for name, why in (("none", "No such file"), ("text", "Permission denied")):
        assert main(["baseline", "gpcc", "a.ply", "--tmc3", name]) == 2
        told = capsys.readouterr().err
        assert "--tmc3 names MPEG's program for G-PCC, and " in told
        assert why in told


def test_the_command_line_measures_with_it(
    program: Program, cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_cloud("a.ply", cloud.points)
    assert main(["baseline", "gpcc", "a.ply", "--tmc3", str(program(""))]) == 0
    held = json.loads(Path("gpcc-evaluation.json").read_text())
    assert held["settings"] == [f"depth {depth}" for depth in range(3, 9)]
    assert held["rate"] == "measured bytes"
    assert held["results"]["bpp"] == sorted(held["results"]["bpp"])
