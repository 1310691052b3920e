"""What workers get: complete configurations of trials and cohorts."""

from __future__ import annotations

from typing import Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from study.config.codec import CodecSection
from study.config.family import DPCC
from study.config.numbers import Count
from study.config.of_family import FamilyName, FamilySection, FamilyTraining
from study.config.section import Section


class TrialConfig(Section):
    """One trial as its worker gets it: everything is said here, nothing is looked up elsewhere."""

    trial: Annotated[int, Field(ge=0)] = Field(description="the trial's number")
    seed: int = Field(description="seed of its weights and of its order of patches")
    threads: Count = Field(description="processor threads")
    data_folder: str = Field(description="the prepared data set")
    order_from: Annotated[int, Field(ge=0)] = Field(
        0,
        description="epoch of the order of patches that its first epoch follows; above 0 where it "
        "joined a cohort that had already trained",
    )
    extra_metrics: tuple[str, ...] = Field(
        (), description="what epochs measure besides, because the study asks for it"
    )
    system_metrics: bool = Field(
        default=False, description="whether epochs tell what their machine was busy with"
    )
    family: FamilyName = Field(DPCC, description="what is trained")
    model: FamilySection
    loss: FamilySection
    training: FamilyTraining
    codec: CodecSection = Field(default_factory=CodecSection)

    @property
    def shape(self) -> Shape:
        """What trials must have in common to train together."""
        steps = self.training.patches_per_step
        return Shape(self.family, self.model, self.data_folder, self.threads, steps, self.seed)


class Shape(NamedTuple):
    """What the trials of a cohort have in common; all else is each one's own."""

    family: str
    model: Section
    data_folder: str
    threads: int
    patches_per_step: int
    seed: int


class CohortConfig(Section):
    """A cohort as its worker gets it: trials of one shape, which train as one population."""

    cohort: Annotated[int, Field(ge=0)] = Field(description="the cohort's number")
    trials: tuple[TrialConfig, ...] = Field(min_length=1, description="those that begin it")
    size: Count = Field(description="trials there is room for; others may join as some leave")
    folder: str = Field("", description="a new folder, for its worker's checkpoints and orders")
    codecs: str | None = Field(
        None, description="folder for each trial's codec after each epoch; null writes none"
    )
    storeroom: str | None = Field(
        None, description="serves the driver's disk to a worker that does not see it; null: all do"
    )
    restore: tuple[str, ...] = Field(
        (), description="checkpoints to go on from: the first of them that is whole"
    )
    longest_step_s: Annotated[float, Field(gt=0.0)] | None = Field(
        None, description="a worker whose step takes longer is ended; None: by its own pace"
    )

    @model_validator(mode="after")
    def _check_one_shape(self) -> Self:
        shapes = dict.fromkeys(trial.shape for trial in self.trials)
        if len(shapes) > 1:
            message = f"the trials of a cohort must be of one shape, but are of {len(shapes)}"
            raise ValueError(message)
        if self.size < len(self.trials):
            message = f"a cohort of {len(self.trials)} trials has no room in size {self.size}"
            raise ValueError(message)
        return self
