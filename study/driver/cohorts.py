"""Which trials train together: the driver's book of cohorts, between Ray's workers and the store.

Ray Tune is given cohorts and knows no trial; the store, and whoever is shown a trial, knows trials.
Here cohorts are formed from the trials that the store proposes, and what workers report of them is
written down trial by trial. A cohort whose worker is lost goes on in another, from its newest
checkpoint; so does one whose driver was.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from study.config import CohortConfig
from study.driver.cohort_book import Asked, Book
from study.driver.scribe import Scribe
from study.records import Fault
from study.workers.orders import Order
from study.workers.reports import EPOCH, METRICS, TRIAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from study.config import TrialConfig
    from study.halting.budget import Budget
    from study.halting.halts import Halts, Judged
    from study.records import Observer
    from study.storage.trial_store import TrialStore
    from study.workers.cohort_folder import CohortFolders

_TRIES = {Fault.LOST: 5, Fault.HUNG: 2, Fault.ERROR: 2, Fault.OUT_OF_MEMORY: 2}
"""How often in a row a cohort may lose its worker in some way without any news of it. Then its
trials go on one by one, to find out which of them does it; and one that is alone has failed. Code
that raises will most likely do so again, while a worker that is killed may have had bad luck."""


class Settings(NamedTuple):
    """What all cohorts of a study have in common.

    Attributes:
        size: most trials in one.
        folders: where their workers write; None where there are no workers, as in a simulation.
        codecs: where what trials learn is kept.
        longest_step_s: after which a worker's step counts as hanging; None: by its own pace.
        written_at_once: whether reports are written without a thread, as in a simulation.
    """

    size: int
    folders: CohortFolders | None = None
    codecs: Path | None = None
    longest_step_s: float | None = None
    written_at_once: bool = False


class Cohorts:
    """The cohorts of one run of a study.

    Args:
        store: the study's trials. Those that have no end go on, before any begins.
        make_config: what a trial's worker needs to know, from its number and settings.
        observers: who is shown each change of a trial.
        settings: what the cohorts have in common.
        budget: says whether another trial may begin.
        halts: says which trials stop at a rung.
    """

    def __init__(
        self,
        store: TrialStore,
        make_config: Callable[[int, Mapping[str, Any]], TrialConfig],
        observers: Sequence[Observer],
        settings: Settings,
        *,
        budget: Budget,
        halts: Halts,
    ) -> None:
        self._store = store
        self._make_config = make_config
        self._scribe = Scribe(store, (budget, *observers), at_once=settings.written_at_once)
        self._settings = settings
        self._budget, self._halts = budget, halts
        self._waiting: deque[Asked] = deque()
        self._books: dict[int, Book] = {}
        self._again: deque[int] = deque()
        self._recall()

    def form(self) -> CohortConfig | None:
        """Hand out a cohort: one that is to go on, or the next. None where there is none now."""
        self.settle()
        while self._again:
            number = self._again.popleft()
            if self._books[number].unfinished:
                return self._handed_out(number)
        first = self._next(None)
        if first is None:
            return None
        number = self._new_number()
        self._books[number] = Book(first, (number,))
        self._admit(number, (first.config, *self._others(number, self._settings.size - 1)))
        return self._handed_out(number)

    def is_done(self) -> bool:
        """Tell, where `form` had none, whether there will be none any more."""
        self.settle()
        return not self._waiting and not any(book.unfinished for book in self._books.values())

    def take(self, cohort: int, reports: Sequence[Mapping[str, Any]], room: int = 0) -> Order:
        """Write down what a cohort's worker reports of its trials, and say what follows.

        Args:
            cohort: which.
            reports: one for each trial of which there is something to say.
            room: for how many more trials it asks.

        Returns:
            Who joins it before its next step, and who leaves. Its worker finds it in its folder.
        """
        book = self._books[cohort]
        book.note_news(reports)
        self._forget_earlier(cohort, book)
        judged = self._judge(book, reports)
        self._scribe.take(reports, judged)
        ended = [r[TRIAL] for r in reports if EPOCH not in r or r[TRIAL] in judged.stops]
        for number in ended:
            book.unfinished.pop(number, None)
        if ended:
            self.settle()  # Whoever asks next shall learn from it.
        joining = self._refill(cohort, room) if room else ()
        order = Order(join=joining, leave=tuple(judged.stops))
        if order and book.opening is not None:
            book.opening.give(order)
        return order

    def settle(self) -> None:
        """Wait until all that was taken is written.

        Raises:
            Exception: it could not be.
        """
        self._scribe.settle()

    def lose(self, cohort: int, fault: Fault, why: str) -> None:
        """Have the unfinished trials of a cohort go on whose worker is lost, as long as they do.

        Args:
            cohort: which.
            fault: how it was lost.
            why: the rest of the sentence that the user reads if they do not.
        """
        self.settle()
        book = self._books[cohort]
        book.tries += 1
        if book.opening is not None and book.opening.hung():
            fault, why = (
                Fault.HUNG,
                f"a step took longer than resources.longest_step_s allows; {why}",
            )
        if book.tries < _TRIES[fault]:
            self._again.append(cohort)
        elif len(book.unfinished) > 1:
            self._dissolve(cohort)
        else:
            self._fail(book, f"{fault}: {why}")

    def end(self, cohort: int) -> None:
        """Close the book of a cohort that is done; a trial without an end would be missed."""
        self.settle()
        why = (
            f"{Fault.LOST}: its cohort ended and its worker told nothing of it; the workers' logs "
            "are in the study's folder, below ray/"
        )
        self._fail(self._books[cohort], why)

    def _recall(self) -> None:
        """Take up what earlier drivers left unfinished."""
        unfinished = self._store.settle()
        records = self._store.records(driver_alive=True)
        self._budget.recall(records)
        self._halts.recall(records)
        epochs = {record.number: len(record.epochs) for record in records}
        self._newest = max((r.cohort for r in records if r.cohort is not None), default=-1)
        for trial in unfinished:
            asked = Asked(trial.settings, self._make_config(trial.number, trial.settings))
            if not trial.cohorts:
                self._waiting.append(asked)
                continue
            history = tuple(reversed(trial.cohorts))
            book = self._books.setdefault(history[0], Book(asked, history))
            book.unfinished[trial.number] = asked.config
            book.epochs[trial.number] = epochs[trial.number]
        self._again.extend(sorted(self._books))
        self._scribe.show(epochs)

    def _new_number(self) -> int:
        """Return the number of a new cohort, in whose folder no other has been."""
        return max((self._newest, *self._books)) + 1

    def _handed_out(self, number: int) -> CohortConfig:
        book, settings = self._books[number], self._settings
        places: dict[str, Any] = {}
        if settings.folders is not None:
            restore = settings.folders.checkpoints(book.history)
            book.opening, book.is_tidy = settings.folders.open(number), False
            places["folder"] = str(book.opening.path)
            places["restore"] = tuple(map(str, restore))
        return CohortConfig(
            cohort=number,
            trials=tuple(book.unfinished.values()),
            size=max(book.size(settings.size), len(book.unfinished)),
            codecs=None if settings.codecs is None else str(settings.codecs),
            longest_step_s=settings.longest_step_s,
            **places,
        )

    def _forget_earlier(self, cohort: int, book: Book) -> None:
        """Delete what the cohort's earlier workers left, once this one has a checkpoint."""
        folders, opening = self._settings.folders, book.opening
        if folders is None or opening is None or book.is_tidy:
            return
        if opening.checkpoints():
            folders.forget_before(cohort, opening)
            book.is_tidy = True

    def _judge(self, book: Book, reports: Sequence[Mapping[str, Any]]) -> Judged:
        epochs = {
            report[TRIAL]: (report[EPOCH], report[METRICS])
            for report in reports
            if EPOCH in report and report[TRIAL] in book.unfinished
        }
        return self._halts.judge(
            epochs, {trial: book.unfinished[trial].training.epochs for trial in epochs}
        )

    def _dissolve(self, cohort: int) -> None:
        """Let each unfinished trial of a cohort go on by itself."""
        book = self._books[cohort]
        trials, book.unfinished = book.unfinished, {}
        for number, trial in trials.items():
            alone = self._new_number()
            asked = book.like._replace(config=trial)
            self._books[alone] = Book(asked, (alone, *book.history))
            self._books[alone].epochs[number] = book.epochs.get(number, 0)
            self._admit(alone, [trial])
            self._again.append(alone)

    def _fail(self, book: Book, why: str) -> None:
        failed, book.unfinished = book.unfinished, {}
        self._scribe.fail(failed, why)

    def _refill(self, cohort: int, room: int) -> tuple[TrialConfig, ...]:
        """Return trials that join a cohort: as many as there are, of its shape, and find room."""
        if not self._waiting and self._budget.spent():
            return ()  # And the worker, which asks after each epoch, waits for no writing.
        self.settle()
        trials = tuple(self._others(cohort, room))
        self._admit(cohort, trials)
        return trials

    def _others(self, cohort: int, most: int) -> Iterable[TrialConfig]:
        """Take up to so many trials of a cohort's shape."""
        for _ in range(most):
            if (asked := self._next(self._books[cohort].like)) is None:
                return
            yield asked.config

    def _next(self, like: Asked | None) -> Asked | None:
        """Take a trial of the shape of another, or of any shape.

        Returns None where there is none left, or where the next that the study file wishes for is
        of another shape: that one begins the next cohort, and no second is asked for that might.
        """
        for asked in self._waiting:
            if like is None or asked.config.shape == like.config.shape:
                self._waiting.remove(asked)
                return asked
        if self._budget.spent() or (self._waiting and self._store.has_wishes()):
            return None
        number, settings = self._store.ask(like.settings if like else None)
        asked = Asked(settings, self._make_config(number, settings))
        self._budget.begin(number, asked.config.training.epochs)
        if like is None or asked.config.shape == like.config.shape:
            return asked
        self._waiting.append(asked)
        return self._next(like)

    def _admit(self, cohort: int, trials: Sequence[TrialConfig]) -> None:
        self._books[cohort].unfinished |= {trial.trial: trial for trial in trials}
        self._scribe.admit(cohort, [trial.trial for trial in trials])
