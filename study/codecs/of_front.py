"""The front of a study as one codec with an operating point for each trial: to write for others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.codecs.evaluation import Evaluation, RatePoint
from study.metrics import PsnrConvention
from study.metrics.table import MEASURES
from study.training.cloud_results import read_results

if TYPE_CHECKING:
    from pathlib import Path

    from study.fronts.judged import JudgedStudy


def front_as_evaluation(name: str, study: JudgedStudy, codecs: Path) -> Evaluation:
    """Return a front's members by their rate, with their results by cloud where all were kept.

    Args:
        name: the study's.
        study: its trials.
        codecs: the folder of its codecs, beside which results are kept.

    Raises:
        StudyError: the front is empty.
    """
    if not study.front:
        raise StudyError(f"a result file has an operating point or more, and the front of {name} "
                         "is empty; wait for a trial")  # fmt: skip
    members = sorted(study.front, key=lambda record: record.final.get("bpp", 0.0))
    clouds = [read_results(codecs, record.number) for record in members]
    same = len({tuple(result.cloud for result in each) for each in clouds}) == 1
    return Evaluation(
        name=name,
        description=f"the front of {name}: a codec for each point",
        convention=PsnrConvention(),
        points=tuple(
            RatePoint(
                f"trial {record.number}",
                each if same else (),
                {metric: record.final.get(metric) for metric in MEASURES},
            )
            for record, each in zip(members, clouds, strict=True)
        ),
    )
