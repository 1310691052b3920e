"""One study, all of its sections together."""

from __future__ import annotations

from typing import Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from study.config.codec import CodecSection, Geometry, LossWeights, ModelSection, TrainingConfig
from study.config.data import DataRecipe
from study.config.names import Name
from study.config.objectives import ObjectiveSection, check_constraints, check_objectives
from study.config.resources import ResourcesSection, StorageSection, TrackingSection
from study.config.search import BudgetSection, HaltingSection, SearchSection
from study.config.section import Section


class Preparation(NamedTuple):
    """What decides the bytes of a prepared data set."""

    recipe: DataRecipe
    geometry: Geometry


class StudyConfig(Section):
    """One study: a search over the weights of the codec's loss."""

    name: Name = Field(description="the study's name, and its folder's under root")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        0, description="one seed for everything: the search, the weights, the order of patches"
    )
    root: str = Field("studies", min_length=1, description="folder that holds all studies")
    data_root: str = Field("data", min_length=1, description="folder that holds prepared data")
    data: DataRecipe = Field(default_factory=DataRecipe, description=DataRecipe.__doc__)
    model: ModelSection = Field(default_factory=ModelSection, description=ModelSection.__doc__)
    loss: LossWeights = Field(default_factory=LossWeights, description=LossWeights.__doc__)
    training: TrainingConfig = Field(
        default_factory=TrainingConfig, description=TrainingConfig.__doc__
    )
    codec: CodecSection = Field(default_factory=CodecSection, description=CodecSection.__doc__)
    search: SearchSection = Field(description=SearchSection.__doc__)
    objectives: tuple[ObjectiveSection, ...] = Field(description=ObjectiveSection.__doc__)
    constraints: tuple[str, ...] = Field(
        (), description="what a codec must keep to, such as ['bpp <= 2', 'decode_s <= 0.05']"
    )
    halting: HaltingSection = Field(
        default_factory=HaltingSection, description=HaltingSection.__doc__
    )
    budget: BudgetSection = Field(default_factory=BudgetSection, description=BudgetSection.__doc__)
    resources: ResourcesSection = Field(
        default_factory=ResourcesSection, description=ResourcesSection.__doc__
    )
    storage: StorageSection = Field(
        default_factory=StorageSection, description=StorageSection.__doc__
    )
    tracking: TrackingSection = Field(
        default_factory=TrackingSection, description=TrackingSection.__doc__
    )

    @property
    def preparation(self) -> Preparation:
        """What the data of a trial with the study's own settings are prepared by."""
        return Preparation(self.data, self.model.geometry)

    @model_validator(mode="after")
    def _check_objectives(self) -> Self:
        check_objectives(self.objectives)
        check_constraints(self.constraints)
        return self
