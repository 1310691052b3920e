"""Reports arrive as they were sent, whatever their numbers are."""

from __future__ import annotations

import json
import math

import pytest
from pydantic import ValidationError

from study.base.records import Failure, Fault
from study.cohorts.reports import (
    EpochReport,
    FailureReport,
    FinalReport,
    Report,
    from_checkpoint,
    from_json,
    to_json,
)

REPORTS: list[Report] = [
    EpochReport(trial=0, elapsed_s=1.5, epoch=2, metrics={"loss": 0.1}),
    FinalReport(trial=1, elapsed_s=2.0, metrics={"bpp": 1.0, "d1_psnr_db": math.inf}),
    FailureReport(trial=2, elapsed_s=3.0, failure=Failure.of(Fault.OUT_OF_MEMORY, "too large")),
]


def test_reports_arrive_as_they_were_sent() -> None:
    assert from_json(to_json(REPORTS)) == REPORTS
    assert from_checkpoint(json.loads(to_json(REPORTS))) == REPORTS


def test_a_value_that_is_no_number_arrives_as_that() -> None:
    (report,) = from_json(to_json([FinalReport(trial=0, elapsed_s=1.0, metrics={"bpp": math.nan})]))
    assert isinstance(report, FinalReport)
    assert math.isnan(report.metrics["bpp"])


def test_an_earlier_version_wrote_null_for_it() -> None:
    (report,) = from_checkpoint([{"trial": 0, "elapsed_s": 1.0, "final": {"bpp": None}}])
    assert isinstance(report, FinalReport)
    assert math.isnan(report.metrics["bpp"])


@pytest.mark.parametrize(
    "text",
    [
        '[{"trial": 0, "elapsed_s": 1.0}]',
        '[{"kind": "epoch", "trial": 0, "elapsed_s": 1.0, "epoch": 1}]',
        '[{"kind": "final", "trial": 0, "elapsed_s": 1.0, "metrics": {}, "epoch": 1}]',
        '[{"kind": "end", "trial": 0, "elapsed_s": 1.0}]',
    ],
)
def test_a_report_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        from_json(text)
