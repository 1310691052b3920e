"""The study file as typed, frozen models: one section, one class, checked at birth.

Every field's description is the documentation: ``study explain`` prints it. Values are checked
strictly (no text is taken for a number, no ``true`` for 1). `study.config.yaml_file` reads the
YAML, and `study.config.sentences` says what these models refuse.
"""

from __future__ import annotations

from study.config.codec import CodecSection
from study.config.data import DataRecipe, SplitName
from study.config.objectives import ObjectiveSection
from study.config.resources import ResourcesSection, StorageSection, TrackingSection
from study.config.search import BudgetSection, GainSection, HaltingSection, SearchSection
from study.config.section import Section
from study.config.study import Preparation, StudyConfig
from study.config.training import TrainingSection
from study.config.trial import CohortConfig, Shape, TrialConfig

__all__ = [
    "BudgetSection",
    "CodecSection",
    "CohortConfig",
    "DataRecipe",
    "GainSection",
    "HaltingSection",
    "ObjectiveSection",
    "Preparation",
    "ResourcesSection",
    "SearchSection",
    "Section",
    "Shape",
    "SplitName",
    "StorageSection",
    "StudyConfig",
    "TrackingSection",
    "TrainingSection",
    "TrialConfig",
]
