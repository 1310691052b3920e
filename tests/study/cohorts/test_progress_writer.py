"""Progress is stored: at once where that is asked for, else when the writer has settled."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from study.cohorts.progress_writer import ProgressWriter
from study.cohorts.reports import EpochReport
from study.halting.halts import Judged
from study.storage.trial_store import TrialStore
from tests.study.simulation import curves

if TYPE_CHECKING:
    from study.base.records import TrialRecord

REPORT = EpochReport(trial=0, epoch=1, metrics={"bpp_estimated": 1.5}, elapsed_s=2.0)


class Reader:
    """An observer that notes in which thread it was shown what."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, threading.Thread]] = []

    def on_trial(self, record: TrialRecord) -> None:
        self.shown.append((len(record.epochs), threading.current_thread()))


@pytest.mark.parametrize("at_once", [True, False])
def test_a_report_is_written_and_shown(at_once: bool) -> None:  # noqa: FBT001
    store = TrialStore(curves.config(curves.STUDY), None)
    store.enqueue_first("test")
    store.ask()
    reader = Reader()
    writer = ProgressWriter(store, [reader], at_once=at_once)
    writer.take([REPORT], Judged(frozenset(), {}))
    if not at_once:
        writer.settle()
    assert [each.metrics for each in store.record(0).epochs] == [REPORT.metrics]
    ((epochs, thread),) = reader.shown
    assert epochs == 1
    assert (thread is threading.current_thread()) == at_once


def test_what_cannot_be_written_is_raised_where_it_was_taken() -> None:
    store = TrialStore(curves.config(curves.STUDY), None)
    with pytest.raises(IndexError):
        ProgressWriter(store, [], at_once=True).take([REPORT], Judged(frozenset(), {}))
