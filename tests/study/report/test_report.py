"""The report's files: what the tables hold, what the pictures show, and that they stand alone."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from rich.console import Console

from study.base.records import EpochRecord, TrialRecord, TrialState
from study.fronts.front import Direction, Objective
from study.fronts.judged import JudgedStudy
from study.fronts.measures import Constraint
from study.report import ReportFiles, front_table, palette, write_report
from study.report.page.assembling import unpack
from study.report.rows import as_text, duration_text, psnr_gain_db, short_names
from study.report.write import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OBJECTIVES = (
    Objective("bpp", Direction.MINIMIZE, reference=2.0),
    Objective("d1_psnr_db", Direction.MAXIMIZE, reference=30.0),
)


def trial(
    number: int, bpp: float, psnr_db: float, state: TrialState = TrialState.COMPLETE
) -> TrialRecord:
    """Return a trial that searched four settings and ended, or stands, at these values."""
    epochs = tuple(
        EpochRecord(
            e,
            {
                "bpp_estimated": bpp + 0.1 / e,
                "d1_psnr_db": psnr_db - 1 / e,
                "patch_chamfer": 1e-3 / e,
            },
        )
        for e in (1, 2, 3)
    )
    is_complete = state is TrialState.COMPLETE
    final = {"bpp": bpp, "bpp_estimated": bpp - 0.01}
    final |= {"d1_psnr_db": psnr_db, "patch_chamfer": 3e-4}
    return TrialRecord(
        number=number,
        state=state,
        params={
            "loss.bpp_lambda": 3.21e-4 * (number + 1),
            "loss.chamfer_coe": 0.123,
            "loss.density_coe": 1.23e-4,
            "loss.pts_num_coe": 1.23e-7,
        },
        epochs=epochs,
        total_epochs=10,
        final=final if is_complete else {},
        outcome="completed 10 epochs" if is_complete else "",
        is_baseline=number == 0,
        elapsed_s=125.4,
        folder=f"trials/{number}",
    )


def study() -> list[TrialRecord]:
    """Return a baseline and two more on the front, a beaten trial, and one of each other kind."""
    failed = trial(5, 1.1, 34.0, TrialState.FAILED)
    return [
        trial(0, 1.4, 37.5),
        trial(1, 0.5, 35.0),
        trial(2, 0.9, 36.5),
        trial(3, 1.0, 36.0),
        trial(4, 0.8, 35.5, TrialState.RUNNING),
        replace(failed, outcome="diverged: the loss of <patch> 7 & 8 was NaN"),
        replace(trial(6, 0.7, 34.0, TrialState.PRUNED), rung=3),
        TrialRecord(7, TrialState.INTERRUPTED, params=failed.params, total_epochs=50),
    ]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ReportFiles:
    return write_report(
        "quick <start>", JudgedStudy(study(), OBJECTIVES), tmp_path_factory.mktemp("a") / "b"
    )


def printed(records: Sequence[TrialRecord], width: int = 100) -> list[str]:
    """Return the table's lines as a terminal of this width shows them."""
    out = io.StringIO()
    Console(file=out, width=width).print(front_table(JudgedStudy(records, OBJECTIVES)))
    return out.getvalue().splitlines()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.1, "0.1"),
        (50.0, "50"),
        (999.4, "999"),
        (-999.7, "-1000"),
        (1234.56, "1235"),
        (0.0312345, "0.0312"),
        (1e-4, "1e-4"),
        (3.2e-4, "3.2e-4"),
        (-1.234e-7, "-1.23e-7"),
        (2.5e5, "2.5e5"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (8, "8"),
        (True, "True"),
        ("adam", "adam"),
        (None, ""),
    ],
)
def test_settings_read_well(value: float | str | None, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0s"), (59.6, "1m 00s"), (125, "2m 05s"), (7620, "2h 07m"), (90_000, "25h 00m")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_headings_are_short_unless_they_would_be_equal() -> None:
    assert short_names(["loss.bpp_lambda", "loss.chamfer_coe", "model.k"]) == {
        "loss.bpp_lambda": "λ bpp",
        "loss.chamfer_coe": "chamfer",
        "model.k": "k",
    }
    assert short_names(["a.k", "b.k"]) == {"a.k": "a.k", "b.k": "b.k"}


def test_the_table_fits_and_shows_every_number() -> None:
    lines = printed(study())
    assert max(len(line.rstrip()) for line in lines) <= 100
    assert "…" not in "".join(lines)
    first = ["1", "0.500", "35.00", "+0.67", "6.42e-4", "0.123", "1.23e-4", "1.23e-7", "2m", "05s"]
    rows = [line.split() for line in lines]
    assert [*first, "low-rate"] in rows
    assert [row[-1] for row in rows if row[:1] in (["2"], ["★"])][:2] == ["knee", "high-rate"]


def test_the_table_puts_the_front_first_and_marks_the_baseline_and_estimates() -> None:
    lines = printed(study())
    assert lines[0].startswith("Pareto front: 3 of 4 complete trials, hypervolume")
    order = [int(m[1]) for line in lines if (m := re.match(r" +(?:★ )?(\d) ", line))]
    assert order == [1, 2, 0, 3, 4, 5, 6, 7]
    assert "★ published coefficients" in lines[-1]
    assert lines[-4].rstrip() == "D1 PSNR: 10 log10(3 peak^2 / MSE), peak = longest side"
    assert lines[-3].rstrip().startswith("D2 PSNR is not shown: it needs the points' normals")
    running = next(line for line in lines if "running 3/10" in line)
    assert "~0.833" in running
    assert "~35.17" in running


def test_the_state_is_a_column_only_where_states_differ() -> None:
    complete = [record for record in study() if record.state is TrialState.COMPLETE]
    text = "\n".join(printed(complete))
    assert "state" not in text
    assert "complete\n" not in text
    assert re.search("time +point *\n", text)
    assert "state" in "\n".join(printed(study()))


def test_the_table_has_a_column_for_each_objective_and_constraint() -> None:
    objectives = (*OBJECTIVES, Objective("density", Direction.MINIMIZE, 2.0))
    constraints = (Constraint("decode_s", most=0.05), Constraint("bpp", most=2.0))
    records = [
        replace(each, final={**each.final, "density": 0.5, "decode_s": 0.01 * (each.number + 3)})
        for each in study()[:4]
    ]
    records[3] = replace(records[3], feasible=False)
    out = io.StringIO()
    Console(file=out, width=120).print(front_table(JudgedStudy(records, objectives, constraints)))
    lines = out.getvalue().splitlines()
    assert "3 of 4 complete trials, 1 breaks a constraint, hypervolume" in lines[0]
    assert lines[2].split()[:6] == ["D1", "density", "decode"]
    assert lines[3].split()[:8] == ["trial", "bpp", "PSNR", "dB", "diff.", "s", "gain", "dB"]
    assert "…" not in "".join(lines)
    (broken,) = [line for line in lines[1:] if "breaks" in line]
    assert broken.split()[:5] == ["3", "1.000", "36.00", "0.5", "0.06"]
    assert broken.rstrip().endswith("breaks decode_s <= 0.05")


def test_a_front_beyond_the_references_says_why_its_volume_is_nothing() -> None:
    note = "hypervolume 0: no trial is better than every reference (bpp 2, d1_psnr_db 30)"
    assert note in "\n".join(printed([trial(0, 2.5, 35.0)]))
    assert "hypervolume 0" not in "\n".join(printed([trial(0, 1.5, 35.0)]))


def test_a_pruned_trial_says_how_far_it_came() -> None:
    assert any(line.rstrip().endswith("pruned 3/10") for line in printed(study()))


def test_a_trial_of_one_epoch_has_no_gain() -> None:
    once = replace(trial(1, 0.5, 35.0), epochs=trial(1, 0.5, 35.0).epochs[:1])
    assert psnr_gain_db(once) is None
    assert psnr_gain_db(replace(once, epochs=())) is None
    assert psnr_gain_db(trial(1, 0.5, 35.0)) == pytest.approx(1 - 1 / 3)


def test_the_table_of_nothing_is_a_table() -> None:
    assert printed([])[0].startswith("Pareto front: 0 of 0 complete trials")


def test_csv_has_a_row_for_each_trial_by_dotted_names(files: ReportFiles) -> None:
    with files.csv.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("trial", "state", "on_front", "feasible", "is_baseline"),
        *("loss.bpp_lambda", "loss.chamfer_coe", "loss.density_coe", "loss.pts_num_coe"),
        *("bpp", "bpp_estimated", "patch_chamfer", "d1_psnr_db", "d2_psnr_db", "chamfer"),
        *("hausdorff", "emd", "density", "f1", "points_ratio"),
        *("octree_share", "encode_s", "decode_s"),
        *("parameters", "encode_mac_per_point", "decode_mac_per_point"),
        "d1_psnr_gain_db",
        *("epochs", "rung", "elapsed_s", "outcome", "codecs"),
    ]
    assert [row["trial"] for row in rows] == list("01234567")
    assert [row["on_front"] for row in rows[:4]] == ["true", "true", "true", "false"]
    assert float(rows[1]["loss.bpp_lambda"]) == 3.21e-4 * 2
    assert float(rows[1]["d1_psnr_gain_db"]) == pytest.approx(1 - 1 / 3)
    assert (rows[4]["bpp"], rows[7]["d1_psnr_db"]) == ("", "")
    assert [row["rung"] for row in rows] == ["", "", "", "", "", "", "3", ""]
    assert rows[5]["outcome"] == "diverged: the loss of <patch> 7 & 8 was NaN"


def test_parquet_keeps_types_and_the_name(files: ReportFiles) -> None:
    table = pyarrow.parquet.read_table(files.parquet)
    assert table.num_rows == 8
    columns = ("trial", "on_front", "bpp", "codecs")
    types = [str(table.schema.field(name).type) for name in columns]
    assert types == ["int64", "bool", "double", "string"]
    assert table.column("bpp").to_pylist() == [1.4, 0.5, 0.9, 1.0, None, None, None, None]
    assert table.schema.metadata[b"study"] == b"quick <start>"


def test_settings_of_any_kind_have_a_column(tmp_path: Path) -> None:
    params: list[dict[str, float | str]] = [
        {"whole": 8, "mixed": 1, "flag": True, "number": 1},
        {"whole": 16, "mixed": "auto", "flag": False, "number": 0.5},
    ]
    records = [replace(trial(i, 1.0, 36.0), params=params[i]) for i in (0, 1)]
    records.append(replace(trial(2, 1.0, 36.0), params={}))
    table = pyarrow.parquet.read_table(
        write_report("s", JudgedStudy(records, OBJECTIVES), tmp_path).parquet
    ).to_pydict()
    assert table["whole"] == [8, 16, None]
    assert table["mixed"] == ["1", "auto", None]
    assert table["flag"] == [True, False, None]
    assert table["number"] == [1.0, 0.5, None]


def test_the_page_needs_no_network_and_escapes_what_it_shows(files: ReportFiles) -> None:
    page = files.html.read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page)
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|import)\(", page)
    assert "<title>quick &lt;start&gt;: 3 of 4" in page
    held = unpack(page)
    assert held["trials"]["outcome"][5] == "diverged: the loss of <patch> 7 & 8 was NaN"
    assert "of <patch>" not in page  # packed: nothing of a trial is read as markup


def test_the_image_shows_the_front_the_beaten_and_the_published_point(files: ReportFiles) -> None:
    image = imread(files.png)[..., :3]
    assert image.shape[1] >= 1600
    for color in (palette.FRONT, palette.BEATEN, palette.BASELINE):
        close = np.abs(image - np.array(to_rgb(color))).max(axis=-1) < 0.01
        assert close.sum() > 100, color


def test_the_image_has_all_planes_where_there_are_several(tmp_path: Path) -> None:
    density = Objective("density", Direction.MINIMIZE, 2.0)
    records = [replace(each, final={**each.final, "density": 0.5}) for each in study()[:4]]
    files = write_report("s", JudgedStudy(records, (*OBJECTIVES, density)), tmp_path)
    assert imread(files.png).shape[0] > 1200


def test_equal_reports_are_equal_files(files: ReportFiles, tmp_path: Path) -> None:
    """What did not change need not be sent to MLflow again."""
    again = write_report("quick <start>", JudgedStudy(study(), OBJECTIVES), tmp_path)
    same = [a.read_bytes() == b.read_bytes() for a, b in zip(files.paths, again.paths, strict=True)]
    assert same == [True] * len(KINDS)


@pytest.mark.parametrize("count", [0, 1])
def test_a_study_that_has_hardly_begun_has_a_report(tmp_path: Path, count: int) -> None:
    files = write_report("s", JudgedStudy(study()[:count], OBJECTIVES), tmp_path)
    assert pyarrow.parquet.read_table(files.parquet).num_rows == count
    assert files.png.stat().st_size > 10_000


def test_what_cannot_be_replaced_stays_and_nothing_is_left_over(tmp_path: Path) -> None:
    write_report("s", JudgedStudy(study(), OBJECTIVES), tmp_path)
    (tmp_path / "front.png").unlink()
    (tmp_path / "front.png").mkdir()
    before = (tmp_path / "front.csv").read_bytes()
    with pytest.raises(IsADirectoryError):
        write_report("s", JudgedStudy(study()[:1], OBJECTIVES), tmp_path)
    assert (tmp_path / "front.csv").read_bytes() == before
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"front.{kind}" for kind in KINDS}


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("study.report", {"optuna", "matplotlib", "pyarrow"}),  # the command line starts fast
        ("study.report.still", {"matplotlib.pyplot"}),  # no global state
    ],
)
def test_importing_brings_no_more_than_it_needs(module: str, unwanted: set[str]) -> None:
    code = f"import sys, {module}; print({unwanted!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
