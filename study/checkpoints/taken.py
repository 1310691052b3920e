"""A trial's codec as it is taken out of a study: into a folder, or into the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from model.codec_folder import AnyCodec
    from study.base.records import TrialRecord


@dataclass(frozen=True)
class TakenCodec:
    """The codec of a trial, as it was measured.

    Attributes:
        codec: all that coding needs.
        record: the trial that it is of.
        epoch: after which of its epochs.
        metrics: of that epoch; those of the last were measured, others are estimates.
        data: the prepared data set that it was trained on, if it is still there.
        about: where it comes from, for whoever finds it elsewhere.
        is_measured: whether these metrics are of files that this very codec wrote.
    """

    codec: AnyCodec
    record: TrialRecord
    epoch: int
    metrics: Mapping[str, float]
    data: Path
    about: Mapping[str, Any]
    is_measured: bool
