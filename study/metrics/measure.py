"""What is known of a metric; `study.metrics.table` lists those that there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from study.metrics.sample import Need, Sample


@dataclass(frozen=True)
class Measure:
    """One metric of a codec.

    Attributes:
        name: its key in `TrialRecord.final`.
        unit: what its number counts.
        meaning: what it is, in a few words.
        in_files: the same in result files; ``{psnr}`` becomes the PSNRs' peak and factor.
        heading: of a column.
        axis_title: of an axis, with all that a number needs to be compared.
        digits: its format.
        phrase: its number among other things, in a sentence.
        direction_hint: which way is better; None where neither is (of a ratio, 1 is).
        estimate: the metric of an epoch that stands in for it while the trial trains; None where
            nothing does.
        compute: its number for one cloud, or, where `is_per_point`, what is counted.
        needs: what a sample must have, or there is no number.
        is_per_point: counts are divided by input points; of several clouds both are added up
            first. Other numbers are averaged over the clouds.
        is_extra: it takes time, so an epoch has it only where the study asks for it.
        label: what it is called in a sentence, where its heading has a unit that stands elsewhere.
    """

    name: str
    unit: str
    meaning: str
    in_files: str
    heading: str
    axis_title: str
    digits: str
    phrase: str
    direction_hint: Literal["minimize", "maximize"] | None
    estimate: str | None
    compute: Callable[[Sample], float]
    needs: frozenset[Need] = frozenset()
    is_per_point: bool = False
    is_extra: bool = False
    label: str = ""

    @property
    def name_in_text(self) -> str:
        """What it is called in a sentence."""
        return self.label or self.heading
