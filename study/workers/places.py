"""Where a cohort's worker keeps its files: on the driver's disk, seen from here or not."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from study.cohorts.folders import HUNG_FILE, Opening
from study.cohorts.orders import ORDERS_FILE, orders_after, orders_in
from study.data.fetching import fetched
from study.workers.storeroom import Counter, put, taken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from study.cohorts.orders import Order
    from study.config import CohortConfig, TrialConfig

_CODECS = "codecs"


class Place(Protocol):
    """What a worker needs of the driver's disk."""

    @property
    def hung_note(self) -> Path:
        """A file of the worker's own, for what faulthandler writes."""

    def trials(self) -> Sequence[TrialConfig]:
        """Return the cohort's trials, with their data set where this machine has it."""

    def orders_after(self, followed: int) -> list[Order]:
        """Return the driver's orders but for the first so many, oldest first."""

    def checkpoints(self) -> Iterator[Path]:
        """Go through the checkpoints to go on from, the best first."""

    def write_checkpoint(self, step: int, save: Callable[[Path], None]) -> None:
        """Write a checkpoint, whole or not at all: see `Opening.write_checkpoint`."""

    @contextmanager
    def codecs(self) -> Iterator[Path | None]:
        """Yield the folder for codecs; what was written there is the driver's after the block."""

    def leave(self) -> None:
        """Remove what nobody needs any more."""


class Here:
    """On a machine that sees the driver's disk: its own, or one that all machines share."""

    def __init__(self, cohort: CohortConfig) -> None:
        self._cohort = cohort
        self._opening = Opening(Path(cohort.folder))

    @property
    def hung_note(self) -> Path:
        """See `Place`."""
        return self._opening.path / HUNG_FILE

    def trials(self) -> Sequence[TrialConfig]:
        """See `Place`. The data may lie on another disk than the study."""
        return _with_data(self._cohort)

    def orders_after(self, followed: int) -> list[Order]:
        """See `Place`."""
        return orders_after(self._opening.path, followed)

    def checkpoints(self) -> Iterator[Path]:
        """See `Place`."""
        yield from map(Path, self._cohort.restore)

    def write_checkpoint(self, step: int, save: Callable[[Path], None]) -> None:
        """See `Place`."""
        self._opening.write_checkpoint(step, save)

    @contextmanager
    def codecs(self) -> Iterator[Path | None]:
        """See `Place`."""
        yield None if self._cohort.codecs is None else Path(self._cohort.codecs)

    def leave(self) -> None:
        """See `Place`."""


class Elsewhere:
    """On a machine that does not: all goes through the storeroom, a local folder in between.

    The note of a step that hung stays here: its worker was ended before it could hand it over.
    """

    def __init__(self, cohort: CohortConfig, storeroom: str) -> None:
        self._cohort = cohort
        self._counter = Counter(storeroom)
        self._folder = Path(tempfile.mkdtemp(prefix="dpcc-study-cohort-"))

    @property
    def hung_note(self) -> Path:
        """See `Place`."""
        return self._folder / HUNG_FILE

    def trials(self) -> Sequence[TrialConfig]:
        """See `Place`."""
        return _with_data(self._cohort)

    def orders_after(self, followed: int) -> list[Order]:
        """See `Place`."""
        if ORDERS_FILE not in self._counter.content(self._cohort.folder):
            return []
        text = self._counter.read_whole(f"{self._cohort.folder}/{ORDERS_FILE}").decode()
        return orders_in(text)[followed:]

    def checkpoints(self) -> Iterator[Path]:
        """See `Place`."""
        for path in self._cohort.restore:
            with self._scratch("restored") as folder:
                try:
                    names = self._counter.content(path)
                    put(folder, {n: self._counter.read_whole(f"{path}/{n}") for n in names})
                except OSError:
                    continue  # Removed since the driver looked.
                yield folder

    def write_checkpoint(self, step: int, save: Callable[[Path], None]) -> None:
        """See `Place`."""
        with self._scratch("step") as folder:
            save(folder)
            self._counter.write_checkpoint(self._cohort.folder, step, taken(folder))

    @contextmanager
    def codecs(self) -> Iterator[Path | None]:
        """See `Place`."""
        if self._cohort.codecs is None:
            yield None
            return
        with self._scratch("study") as folder:  # Results by cloud lie beside the codecs.
            yield folder / _CODECS
            self._counter.write(taken(folder))

    def leave(self) -> None:
        """See `Place`."""
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def _scratch(self, name: str) -> Iterator[Path]:
        folder = self._folder / name
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def place_of(cohort: CohortConfig) -> Place:
    """Return where this worker keeps a cohort's files."""
    if cohort.storeroom is None or sees_disk(cohort.folder, cohort.storeroom):
        return Here(cohort)
    return Elsewhere(cohort, cohort.storeroom)


def sees_disk(opening: str, storeroom: str) -> bool:
    """Tell whether the driver's mark can be seen from here, two folders above an opening."""
    return (Path(opening).parents[1] / storeroom).exists()


def data_here(folder: str, storeroom: str | None) -> str:
    """Return where this machine has the driver's data set; it is fetched first if it has none."""
    return folder if storeroom is None else str(fetched(Path(folder), Counter(storeroom).read))


def _with_data(cohort: CohortConfig) -> Sequence[TrialConfig]:
    folder = data_here(cohort.trials[0].data_folder, cohort.storeroom)
    return [trial.model_copy(update={"data_folder": folder}) for trial in cohort.trials]
