"""The families that the contract is asked of, each with a study and its data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from study.config import CohortConfig
from study.data import open_data_set, prepare
from study.families.family import Family, family_of
from study.search.space import baseline, trial_config
from study.storage.study_file import parse_study

if TYPE_CHECKING:
    from pathlib import Path

    from study.config import StudyConfig, TrialConfig
    from study.data import DataSet
    from study.training.architecture import Architecture

FAMILIES = {
    "dpcc": "model: {k: 8, hidden_dim: 16}",
    "vae": "model: {latents: 4, points: 40, width: 16}",
    "voxel": "model: {width: 8, point_width: 8, edge_octaves: 2.0}",
    "compressai:sfu2023-pcc-rec-pointnet": "model: {points: 40, latents: 8, decoder_widths: [16]}",
    "mine:Tiny": "model: {numbers: 8, points: 40, width: 16}",
    "looping:Tiny": "model: {numbers: 8, points: 40, width: 16}",
    "tests.study.toy:Toy": "",
    "benchmarks.no_ops:NoOp": "",
}
"""Each with what makes it small. `looping` is `mine` with one trial computed after the other."""

TRAINED = [name for name in FAMILIES if "toy" not in name and "no_op" not in name]
EPOCHS = 2


@dataclass(frozen=True)
class Case:
    """A family with a study and its data."""

    config: StudyConfig
    folder: Path

    @property
    def family(self) -> Family:
        return family_of(self.config.family)

    @property
    def architecture(self) -> Architecture:
        return self.family.architecture(self.config.model)

    @property
    def data(self) -> DataSet:
        return open_data_set(self.folder, self.family.patches(self.config.preparation.geometry))

    def trials(self) -> list[TrialConfig]:
        """Two, of which the second is elsewhere in the default space."""
        first = baseline(self.config)
        second = {name: self.config.search.space[name].at(0.7, integer=False) for name in first}
        folders = {self.config.preparation: self.folder}
        return [
            trial_config(self.config, number, settings, folders)
            for number, settings in enumerate((first, second))
        ]

    def cohort(self, *trials: TrialConfig) -> CohortConfig:
        return CohortConfig(cohort=0, trials=trials, size=2)


def case_of(name: str, root: Path) -> Case:
    config = parse_study(
        f"""
name: contract
family: {name}
data: {{max_objects: 8, points_per_object: 150, cube_size: 100.0, min_points: 50}}
{FAMILIES[name]}
training: {{epochs: {EPOCHS}, patches_per_step: 2}}
search: {{trials: 2}}
objectives:
  - {{metric: bpp, direction: minimize, reference: 3.0}}
  - {{metric: d1_psnr_db, direction: maximize, reference: 10.0}}
""",
        origin=name,
    )
    form = family_of(name).patches(config.preparation.geometry)
    return Case(config, prepare(config.data, form=form, root=root / "data"))
