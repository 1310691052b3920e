"""What the page of a front holds: every trial, as short as a reader needs it, as mere data."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks.page import BAR_BYTES, many_trials
from study.base.records import TrialState
from study.fronts.judged import JudgedStudy
from study.fronts.measures import Constraint
from study.metrics import RateCurve
from study.report import write_report
from study.report.beside import NOTHING, Beside
from study.report.page import Tab
from study.report.page.assembling import SCRIPTS, pack, part, unpack
from study.report.page.columns import number
from study.report.page.content import Material, page_content
from study.report.picture import draw_planes
from study.training.codec_files import codec_file
from tests.study.report.studies import DENSITY, OBJECTIVES, study, trial

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from study.base.records import TrialRecord
    from study.fronts.front import Objective


def held(
    records: Sequence[TrialRecord] | None = None,
    objectives: Sequence[Objective] = OBJECTIVES,
    constraints: Sequence[Constraint] = (),
    beside: Beside = NOTHING,
) -> dict[str, Any]:
    """What the page of a study holds, of the made-up one without records."""
    given = study() if records is None else records
    judged = JudgedStudy(given, objectives, constraints)
    pictures = draw_planes("made up", judged, beside)
    return page_content(Material("made up", judged, pictures, beside))


@pytest.mark.parametrize(
    ("value", "short"),
    [
        (0.123456789, 0.123457),
        (1234567.8, 1234570),
        (8.0, 8),
        (1e-300, 1e-300),
        (-3.0000001e-5, -3e-5),
        (math.nan, None),
        (-math.inf, None),
        (None, None),
    ],
)
def test_a_number_has_six_digits(value: float | None, short: float | None) -> None:
    assert number(value) == short
    assert json.dumps(number(8.0)) == "8"


def test_every_trial_is_in_its_group() -> None:
    content = held()
    assert content["trials"]["number"] == list(range(9))
    assert content["trials"]["group"] == [
        *("front", "front", "front", "beaten"),
        *("running", "failed", "pruned", "interrupted", "infeasible"),
    ]
    assert content["front"] == [1, 2, 0]
    assert content["named"] == {"low-rate": 1, "knee": 2, "high-rate": 0}
    counts = {group["key"]: group["count"] for group in content["groups"]}
    assert counts == Counter(content["trials"]["group"])
    assert content["groups"][-1]["key"] == "front"  # drawn on top
    assert content["trials"]["published"] == 0
    assert content["trials"]["run"][3] == f"{3:032x}"


def test_values_come_back_whatever_their_kind() -> None:
    content = held()
    weight, norm, neighbours = content["settings"]
    assert (weight["name"], weight["short"], weight["log"]) == ("loss.bpp_lambda", "λ bpp", False)
    assert weight["values"][1] == 6.4e-4
    assert [norm["choices"][place] for place in norm["values"][:2]] == ["masked", "published"]
    assert norm["values"][7] is None  # a trial that does not have the setting
    assert neighbours["values"][:3] == [8, 16, 24]
    rate = content["metrics"]["bpp"]
    assert (rate["values"][1], rate["values"][4], rate["estimate"]) == (0.5, None, "bpp_estimated")
    assert "chamfer" not in content["metrics"]  # nobody measured it


def test_what_is_shown_of_every_codec_is_named_and_what_is_not_has_a_reason() -> None:
    found = held()
    assert found["shown"] == ["bpp", "d1_psnr_db", "density"]
    (reason,) = found["unmeasured"]
    assert reason.startswith("D2 PSNR is not shown: it needs the points' normals")
    known = [replace(r, final={**r.final, "d2_psnr_db": 40.0} if r.final else {}) for r in study()]
    found = held(known)
    assert found["shown"] == ["bpp", "d1_psnr_db", "d2_psnr_db", "density"]
    assert found["unmeasured"] == []


def test_epochs_are_one_after_the_other() -> None:
    records = study()
    records[1] = replace(records[1], epochs=records[1].epochs[1:])  # its first was never told
    content = held(records)
    epochs = content["epochs"]
    assert epochs["count"] == [3, 2, 3, 3, 3, 3, 3, 0, 3]
    assert epochs["numbers"][:6] == [1, 2, 3, 2, 3, 1]
    assert epochs["values"]["bpp_estimated"][:5] == [1.7, 1.55, 1.5, 0.65, 0.6]
    assert held()["epochs"]["numbers"] is None


def test_a_setting_over_orders_of_magnitude_is_drawn_by_its_logarithm() -> None:
    records = [replace(each, params={"a": 10.0**-n}) for n, each in enumerate(study()[:4])]
    assert held(records)["settings"][0]["log"] is True


def test_what_breaks_a_constraint_says_which() -> None:
    content = held(constraints=[Constraint("bpp", least=0.7)])
    assert content["trials"]["breaks"][8] == "breaks bpp >= 0.7"
    assert set(content["trials"]["breaks"][:8]) == {""}


def test_other_studies_and_codecs_stand_beside() -> None:
    draco = RateCurve("Draco", (0.7, 1.5), (34.0, 40.0))
    rival = [trial(0, 0.4, 34.0), trial(1, 0.45, 33.0), trial(2, 0.8, 36.0)]
    judged = JudgedStudy(rival, OBJECTIVES)
    content = held(
        beside=Beside([draco], [("rival", judged), ("empty", JudgedStudy([], OBJECTIVES))])
    )
    first, second = content["others"]
    assert (first["name"], first["number"]) == ("rival", [0, 2])  # its front alone
    assert first["values"]["d1_psnr_db"] == [34, 36]
    assert first["settings"][1]["training.norm"] == "masked"
    assert second["number"] == []
    assert content["curves"][0]["points"] == [[0.7, 34], [1.5, 40]]


def test_earlier_epochs_that_are_kept_are_told(tmp_path: Path) -> None:
    records = study()
    better = replace(records[1].epochs[0], metrics={"bpp_estimated": 0.3, "d1_psnr_db": 34.9})
    records[1] = replace(records[1], epochs=(better, *records[1].epochs[1:]))
    file = codec_file(tmp_path / "codecs", 1, 1)
    file.parent.mkdir(parents=True)
    file.touch()
    page = write_report("s", JudgedStudy(records, OBJECTIVES), tmp_path).html.read_text(
        encoding="utf-8"
    )
    assert unpack(page)["earlier"] == [
        {"trial": 1, "epoch": 1, "values": {"bpp": 0.3, "d1_psnr_db": 34.9}}
    ]


def test_what_the_last_trials_were_worth_is_told() -> None:
    """References are 2 bpp and 30 dB: 1.5 * 5 = 7.5 until the last, then 1.5 * 10 = 15."""
    steady = [trial(n, 0.5, 35.0) for n in range(7)]
    assert held(steady)["progress"]["growth"] is None  # seven trials
    grown = held([*steady, trial(7, 0.5, 40.0)])["progress"]
    assert (grown["growth"], grown["hypervolume"][-1]) == ({"trials": 2, "gained": 0.5}, 15)


def test_three_objectives_have_a_plane_for_each_pair() -> None:
    content = held(study(), (*OBJECTIVES, DENSITY))
    planes = [(plane["x"], plane["y"]) for plane in content["planes"]]
    assert planes == [("bpp", "d1_psnr_db"), ("bpp", "density"), ("d1_psnr_db", "density")]
    assert set(content["epochs"]["values"]) == {"bpp_estimated", "d1_psnr_db", "density"}


def test_nothing_of_a_trial_can_end_a_script(tmp_path: Path) -> None:
    records = [replace(study()[0], outcome="</script><script>alert(1)</script>")]
    tab = Tab("mine", "</script>", "table.js", {"text": "</script>"})
    found = write_report(
        "</title><b>", JudgedStudy(records, OBJECTIVES), tmp_path, extra_tabs=[tab]
    )
    page = found.html.read_text(encoding="utf-8")
    assert "alert(1)" not in page
    # Ours: the two of data, the list of tabs, the scripts, and the call that begins.
    assert page.count("</script>") == page.count("<script") == 2 + 1 + len(SCRIPTS) + 1
    assert unpack(page, "tab-mine") == {"text": "</script>"}
    assert unpack(page)["trials"]["outcome"] == [records[0].outcome]


def test_scripts_share_a_page_and_no_names() -> None:
    """They run in one scope, where the second function of a name silently replaces the first."""
    folder = files("study.report.page")
    scripts = [each.name for each in folder.iterdir() if each.name.endswith(".js")]
    assert set(SCRIPTS) <= set(scripts)
    named = re.compile(r"^(?:async )?(?:function|const|let|class) (\w+)", re.MULTILINE)
    names = Counter(name for script in scripts for name in named.findall(part(script)))
    assert [name for name, count in names.items() if count > 1] == []
    assert not any("</script" in part(script) for script in scripts)


def test_many_trials_are_short_and_near() -> None:
    records, objectives = many_trials(2_000)
    pictures = draw_planes("many", JudgedStudy(records, objectives))
    content = page_content(Material("many", JudgedStudy(records, objectives), pictures))
    assert len(pack(content)) < BAR_BYTES * len(records) / 10_000
    rates = np.array([record.final.get("bpp", math.nan) for record in records])
    told = np.array(content["metrics"]["bpp"]["values"], dtype=float)
    np.testing.assert_allclose(told, rates, rtol=1e-5)
    assert content["importance"]["objectives"][0]["lookedAt"] < len(records)
    assert sum(content["epochs"]["count"]) == sum(len(record.epochs) for record in records)


def test_a_study_without_a_trial_has_a_page() -> None:
    content = held([])
    assert (content["front"], content["progress"]["trial"]) == ([], [])
    odd = replace(study()[0], final={"bpp": math.nan, "d1_psnr_db": 36.0})
    assert held([odd])["trials"]["group"] == ["odd"]
    assert odd.state is TrialState.COMPLETE
