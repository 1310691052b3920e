"""What a run is called, and what its tags and description say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from study.base.records import TrialState
from study.fronts.judged import JudgedStudy
from study.report.standing import Nearby, Standing
from study.tracking.front_tags import counts, front_tags, study_points, summary_note
from study.tracking.notes import NOTE, is_edited, note_tags
from study.tracking.trial_words import codec_path, run_name, trial_note
from study.training.codec_files import codec_file
from tests.study.tracked import OBJECTIVES, facts, trial

if TYPE_CHECKING:
    from pathlib import Path

RUNNING = TrialState.RUNNING


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"loss.bpp_lambda": 3.2e-4, "loss.chamfer_coe": 0.1}, "t017 λ=3.2e-4 chamfer=0.1"),
        ({"loss.bpp_lambda": 1e-4, "loss.other_lambda": 2.0}, "t017 λ bpp=1e-4 λ other=2"),
        ({}, "t017"),
        (
            {f"loss.long_name_{i}": 0.123456 for i in range(9)},
            "t017 long_name_0=0.123 long_name_1=0.123 long_name_2=0.123 …",
        ),
        ({"model.k": 8, "model.variant": "x" * 80}, "t017 k=8 …"),
    ],
)
def test_a_run_is_called_by_its_number_and_settings(
    params: dict[str, float | str], name: str
) -> None:
    assert run_name(replace(trial(17), params=params)) == name
    assert len(name) <= 60


def test_the_baseline_is_called_that() -> None:
    assert run_name(trial(0)).startswith("t000 baseline λ=1 ")


def test_every_trial_is_told_where_it_stands() -> None:
    """Three on the front, of which the middle one is its knee; one behind, and one behind that."""
    trials = [
        trial(0, bpp=0.5, psnr_db=32.0),
        trial(1, bpp=0.6, psnr_db=37.0),
        trial(2, bpp=1.5, psnr_db=38.0),
        trial(3, bpp=0.7, psnr_db=36.0),
        trial(4, bpp=0.8, psnr_db=35.0),
        trial(5, state=RUNNING),
        replace(trial(6, bpp=0.1, psnr_db=50.0), feasible=False),
    ]
    told = front_tags(JudgedStudy(trials, OBJECTIVES), facts())
    assert [told[number]["pareto"] for number in range(7)] == ["true"] * 3 + ["false"] * 4
    assert [told[number]["rank"] for number in range(7)] == ["1", "1", "1", "2", "3", "", ""]
    assert [told[number]["knee"] for number in range(7)].index("true") == 1
    names = [told[number]["operating_point"] for number in range(7)]
    assert names == ["low-rate", "knee", "high-rate", "", "", "", ""]
    colors = [told[number]["mlflow.runColor"] for number in range(7)]
    assert len(set(colors[:3])) == 1
    assert len(set(colors)) == 4  # The front, the beaten, who trains, and who takes no part.


def test_the_only_trial_of_a_front_has_all_of_its_names() -> None:
    assert (
        front_tags(JudgedStudy([trial(0)], OBJECTIVES), facts())[0]["operating_point"]
        == "high-rate, knee, low-rate"
    )


def test_a_codec_is_named_as_long_as_it_is_kept(tmp_path: Path) -> None:
    told = facts(folder=tmp_path)
    assert codec_path(trial(3), told) == ""
    path = codec_file(tmp_path / "codecs", 3, 3)
    path.parent.mkdir(parents=True)
    path.touch()
    assert codec_path(trial(3), told) == str(path)
    assert codec_path(trial(3, state=RUNNING), told) == ""


def test_the_curves_of_a_study_have_a_step_for_each_trial_that_ended() -> None:
    """References 2 bpp and 30 dB: (2 - 1) * (36 - 30) = 6, then 0.5 * 5 more below 1 bpp."""
    trials = [
        replace(trial(0), ended_s=10.0),
        replace(trial(1, state=TrialState.FAILED), ended_s=11.0),
        replace(trial(2, bpp=0.5, psnr_db=35.0), ended_s=12.0),
        trial(3, state=RUNNING),
    ]
    points = study_points(JudgedStudy(trials, OBJECTIVES))
    volumes = [(p.step, p.value, p.time_s) for p in points if p.name == "hypervolume"]
    assert volumes == [(1, 6.0, 10.0), (2, 6.0, 11.0), (3, 8.5, 12.0)]
    assert [p.value for p in points if p.name == "front_size"] == [1.0, 1.0, 2.0]
    assert counts(trials) == {
        "trials/running": 1.0,
        "trials/interrupted": 0.0,
        "trials/complete": 2.0,
        "trials/pruned": 0.0,
        "trials/failed": 1.0,
    }


def test_a_description_says_how_to_take_the_codec_home(tmp_path: Path) -> None:
    note = trial_note(trial(4), facts(folder=tmp_path / "studies" / "quickstart"))
    assert "**Trial 4** of study `quickstart`: completed 3 epochs." in note
    assert "| `loss.bpp_lambda` | 1e-4 |" in note
    assert "bpp 1, d1_psnr_db 36." in note
    assert f"study export quickstart --trial 4 --root {tmp_path}/studies codec" in note
    running = trial_note(trial(4, state=RUNNING), facts())
    assert "export" not in running


def test_the_summary_lists_the_front_with_links() -> None:
    trials = [trial(n, bpp=0.1 + n, psnr_db=30.0 + n) for n in range(30)]
    note = summary_note(JudgedStudy(trials, OBJECTIVES), facts(), {0: "#/experiments/1/runs/ab"})
    assert "30 complete" in note
    assert "| [t000 baseline λ=1 chamfer=0.1](#/experiments/1/runs/ab) | 0.1 | 30 |" in note
    assert "and 15 more" in note
    assert "no trial yet" in summary_note(JudgedStudy([], OBJECTIVES), facts(), {})


def test_the_summary_has_what_is_shown_of_every_codec_of_ours_and_of_others() -> None:
    first = trial(0, bpp=0.1, psnr_db=30.0)
    first = replace(first, final={**first.final, "density": 0.25, "points_ratio": 1.5})
    near = Nearby("8 voxels", "knee's rate", {"bpp": 0.09, "d1_psnr_db": 33.0, "density": 0.5})
    told = Standing("octree", "octree", "dominates it", near=(near,))
    study = JudgedStudy([first], OBJECTIVES)
    note = summary_note(study, facts(), {}, [told])
    assert "| trial | bpp | d1_psnr_db | density | points_ratio | operating point |" in note
    assert "| 0.1 | 30 | 0.25 | 1.5 | " in note
    assert "| octree, 8 voxels | 0.09 | 33 | 0.5 |  | next to the knee's rate |" in note
    assert note.count("D2 PSNR is not shown") == 1
    assert "density 0.25, points_ratio 1.5." in trial_note(first, facts())


def test_what_the_user_wrote_into_a_description_is_known_from_what_we_wrote() -> None:
    ours = note_tags("how it stands")
    assert not is_edited({})
    assert not is_edited(ours)
    assert is_edited(ours | {NOTE: "my own words"})
