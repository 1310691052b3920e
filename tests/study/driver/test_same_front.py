"""A study in cohorts and one trial by trial give the same trials: real Ray, and the real codec."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
import torch
from rich.console import Console

from model.cloud_codec import CloudCodec
from study.base.records import TrialState
from study.checkpoints.export import export
from study.checkpoints.operating_point import Wish
from study.driver.cluster import ray_running
from study.driver.runner import run_study
from study.storage.study_file import parse_study

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch.nn import Parameter

    from study.base.records import TrialRecord
    from study.checkpoints.taken import TakenCodec
    from study.driver.runner import Ended

STUDY = """
name: {name}
seed: 11
root: {folder}/studies
data_root: {folder}/data
data: {{max_objects: 8, points_per_object: 150, cube_size: 100.0, min_points: 50}}
model: {{k: 8, hidden_dim: 16}}
training: {{epochs: {epochs}, patches_per_step: 2, learning_rate: {rate}}}
search:
  trials: 4
  first:
    - {{loss.bpp_lambda: 0.05, training.epochs: {epochs}}}
    - {{loss.bpp_lambda: 0.2, training.epochs: {fewer}}}
    - {{loss.bpp_lambda: 0.01, training.epochs: {fewer}}}
  space:
    loss.bpp_lambda: {{low: 1e-4, high: 0.3, log: true}}
    training.epochs: {{low: 1, high: 50}}
objectives:
  - {{metric: bpp, direction: minimize, reference: 3.0}}
  - {{metric: d1_psnr_db, direction: maximize, reference: 10.0}}
resources: {{cohort: {cohort}, concurrent_cohorts: 1}}
storage: {{keep: all}}
halting: {{rule: none}}
"""


@pytest.fixture(scope="module", autouse=True)
def one_ray() -> Iterator[None]:
    with ray_running(None):
        yield


def parameters(taken: TakenCodec) -> Iterator[tuple[str, Parameter]]:
    assert isinstance(taken.codec, CloudCodec)
    return taken.codec.coder.codec.named_parameters()


def run(folder: Path, cohort: int, epochs: int, rate: float) -> Ended:
    text = STUDY.format(
        name=f"of-{cohort}",
        folder=folder,
        cohort=cohort,
        epochs=epochs,
        fewer=epochs - 1,
        rate=rate,
    )
    return run_study(parse_study(text, origin="x"), Console(file=io.StringIO()))


def check_same(together: Sequence[TrialRecord], alone: Sequence[TrialRecord]) -> None:
    """The bars of the issue: 1e-3 in bpp and 0.05 dB."""
    for ours, theirs in zip(together, alone, strict=True):
        assert ours.params == theirs.params
        assert (ours.state, theirs.state) == (TrialState.COMPLETE, TrialState.COMPLETE)
        assert len(ours.epochs) == len(theirs.epochs) == ours.params["training.epochs"]
        assert ours.final["bpp"] == pytest.approx(theirs.final["bpp"], abs=1e-3)
        assert ours.final["d1_psnr_db"] == pytest.approx(theirs.final["d1_psnr_db"], abs=0.05)


# Training amplifies: weights changed by 1e-7 end 0.07 dB apart after 15 epochs of this small study
# at a learning rate of 5e-3, and 0.006 dB apart at the published 1e-3. Cohorts change last bits.
@pytest.mark.parametrize(
    ("epochs", "rate"), [(3, 5e-3), pytest.param(15, 1e-3, marks=pytest.mark.slow)]
)
@pytest.mark.timeout(300)  # two studies, each with workers that import PyTorch
def test_trials_are_the_same_in_cohorts_as_one_by_one(
    epochs: int, rate: float, tmp_path: Path
) -> None:
    together, alone = (run(tmp_path, cohort, epochs, rate) for cohort in (2, 1))
    assert len({record.cohort for record in together.records}) == 2
    assert len({record.cohort for record in alone.records}) == 4
    check_same(together.records, alone.records)
    spread = [record.final["d1_psnr_db"] for record in alone.records]
    assert max(spread) - min(spread) > 0.1, "the trials differ by more than the bar allows"
    # A trial that left its cohort before the others is taken home from the cohort's checkpoint.
    for number in (2, 3):
        ours, theirs = (
            export(ended.folder, Wish(trial=number), tmp_path / f"{name}-{number}")
            for name, ended in (("together", together), ("alone", alone))
        )
        theirs_by_name = dict(parameters(theirs))
        for name, weights in parameters(ours):
            torch.testing.assert_close(weights, theirs_by_name[name], atol=1e-2, rtol=1e-3)
