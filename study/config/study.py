"""One study, all of its sections together."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, model_validator

from study.config.codec import CodecSection
from study.config.data import DataRecipe
from study.config.family import DPCC, FamilySettings, settings_of
from study.config.names import Name
from study.config.objectives import ObjectiveSection, check_constraints, check_objectives
from study.config.of_family import FamilyName, FamilySection, FamilyTraining, kinds
from study.config.resources import ResourcesSection, StorageSection, TrackingSection
from study.config.search import BudgetSection, HaltingSection, SearchSection
from study.config.section import Section
from study.config.sections import section_in
from study.config.training import TrainingSection


class Preparation(NamedTuple):
    """What decides the bytes of a prepared data set."""

    recipe: DataRecipe
    geometry: Any  # hashable, and the family's own


def _with_space(search: SearchSection, info: ValidationInfo) -> SearchSection:
    """Give a search without a space of its own that of the study's family."""
    family = info.data.get("family")
    if search.space or family is None:
        return search
    return search.model_copy(update={"space": settings_of(family).default_space()})


class StudyConfig(Section):
    """One study: a search over the weights of the codec's loss."""

    name: Name = Field(description="the study's name, and its folder's under root")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        0, description="one seed for everything: the search, the weights, the order of patches"
    )
    family: FamilyName = Field(
        DPCC,
        description="what is trained: dpcc, or a family of your own as module:Class "
        "(docs/families.md); it decides which keys model, loss and training have",
    )
    root: str = Field("studies", min_length=1, description="folder that holds all studies")
    data_root: str = Field("data", min_length=1, description="folder that holds prepared data")
    data: DataRecipe = Field(default_factory=DataRecipe, description=DataRecipe.__doc__)
    model: FamilySection = Field(
        Section(), validate_default=True, description="What the codec looks like."
    )
    loss: FamilySection = Field(
        Section(), validate_default=True, description="The weights of the loss's terms."
    )
    training: FamilyTraining = Field(
        TrainingSection(), validate_default=True, description=TrainingSection.__doc__
    )
    search: Annotated[SearchSection, AfterValidator(_with_space)] = Field(
        description=SearchSection.__doc__
    )
    codec: CodecSection = Field(default_factory=CodecSection, description=CodecSection.__doc__)
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
        return Preparation(self.data, self.of_family.geometry(self.model))

    @property
    def of_family(self) -> FamilySettings:
        """What the study's family says of itself."""
        return settings_of(self.family)

    @model_validator(mode="after")
    def _check_objectives(self) -> Self:
        check_objectives(self.objectives)
        check_constraints(self.constraints)
        return self


def sections_of(family: str) -> dict[str, type[BaseModel]]:
    """Return the sections of a study file of a family, with the class of each.

    Raises:
        StudyError: there is no such family.
    """
    found = {
        name: section
        for name, field in StudyConfig.model_fields.items()
        if (section := section_in(field.annotation)) is not None
    }
    return {**found, **kinds(family)}
