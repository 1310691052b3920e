"""The study file as typed, frozen models: one section, one class, checked at birth.

Every field's description is the documentation: ``study explain`` prints it. Values are checked
strictly (no text is taken for a number, no ``true`` for 1); `study.study_file` reads the YAML and
turns what these models refuse into sentences.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BeforeValidator, Field, model_validator

from model.config import ConvolutionMode, ModelConfig, NormMode
from study.data import DataRecipe
from study.ranges import Range, SearchedChoice, default_space
from study.section import Section

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
"""What a study may be called: safe as a folder's name on every file system, and in a URL."""


def _parse_ratio(value: object) -> object:
    """Take "1/3" for the number it means; everything else is left to the type's own check."""
    if isinstance(value, str) and "/" in value:
        try:
            return float(Fraction(value.replace(" ", "")))
        except (ValueError, ZeroDivisionError):
            return value
    return value


Ratio = Annotated[float, BeforeValidator(_parse_ratio), Field(gt=0.0, lt=1.0)]
Weight = Annotated[float, Field(ge=0.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]


class Geometry(NamedTuple):
    """What of an architecture shapes the prepared data."""

    downsample_rate: tuple[float, ...]
    k: int


class ModelSection(Section):
    """What the codec looks like. The defaults are D-PCC's, as published, but for `norm`."""

    k: Count = Field(16, description="neighbours per point in the encoder's graph")
    downsample_rate: tuple[Ratio, ...] = Field(
        (1 / 3, 1 / 3, 1 / 3),
        min_length=1,
        description="share of the points that each encoder stage keeps, such as [1/3, 1/3, 1/3]",
    )
    max_upsample_num: tuple[Count, ...] = Field(
        (8, 8, 8), min_length=1, description="children a point may have, per decoder stage"
    )
    dim: Count = Field(8, description="width of the point features that are transmitted")
    hidden_dim: Count = Field(64, description="width of the hidden layers")
    quantize_latent_xyzs: bool = Field(
        True,  # noqa: FBT003  a field's default
        description="true: the coarsest points' coordinates are learned and entropy-coded; false: "
        "they are sent as float16, 48 bits each, for higher rates",
    )
    latent_xyzs_conv_mode: ConvolutionMode = Field(
        "mlp", description="how those coordinates are transformed: mlp, or edge_conv"
    )
    sub_point_conv_mode: ConvolutionMode = Field(
        "mlp", description="how children are placed: mlp, or edge_conv (slower, sees neighbours)"
    )
    compress_normal: bool = Field(
        False,  # noqa: FBT003  a field's default
        description="code the points' normals too; the data need them (data.normals: true)",
    )
    norm: NormMode = Field(
        "masked",
        description="pairs of points that the encoder's normalisations look at: masked (those that "
        "its attention uses; faster) or published (all)",
    )

    def build(self) -> ModelConfig:
        """Return the same settings as the codec's own plain class.

        Raises:
            ValueError: the settings contradict each other.
        """
        return ModelConfig(**dict(self))

    @property
    def geometry(self) -> Geometry:
        """What the data must be prepared with."""
        return Geometry(self.downsample_rate, self.k)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        self.build()
        return self


class LossWeights(Section):
    """The weights of the loss's terms. The defaults are D-PCC's, as published."""

    bpp_lambda: Weight = Field(1e-4, description="weight of the rate in bits per input point")
    chamfer_coe: Weight = Field(
        0.1, description="weight of the chamfer distance of the stages before the last"
    )
    density_coe: Weight = Field(1e-4, description="weight of the density term")
    mean_distance_coe: Weight = Field(
        50.0, description="weight of the mean distance within the density term"
    )
    pts_num_coe: Weight = Field(5e-7, description="weight of the error in the number of points")
    latent_xyzs_coe: Weight = Field(
        1e-2, description="weight of the error of the transmitted coordinates"
    )
    normal_coe: Weight = Field(
        1e-2, description="weight of the error of the normals, where model.compress_normal is true"
    )


class TrainingConfig(Section):
    """How one trial trains. The defaults are D-PCC's, as published."""

    epochs: Count = Field(50, description="passes over the training patches")
    patches_per_step: Count = Field(1, description="patches in one optimiser step")
    learning_rate: Positive = Field(1e-3, description="Adam's rate for the network")
    bottleneck_learning_rate: Positive = Field(
        1e-3, description="Adam's rate for the quantiles of the entropy bottleneck"
    )
    decay_every: Count = Field(15, description="epochs between two cuts of the learning rates")
    decay_factor: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        0.5, description="what a cut multiplies the learning rates by"
    )
    max_grad_norm: Positive | None = Field(
        None, description="gradients longer than this are shortened to it, per trial; null: never"
    )


class SearchSection(Section):
    """Which settings are tried. The published coefficients are always the first trial."""

    trials: Count = Field(description="settings to train, the published one included")
    startup_trials: Count = Field(
        10, description="trials drawn at random before the sampler (multivariate TPE) learns"
    )
    first: tuple[dict[str, SearchedChoice], ...] = Field(
        (),
        description="settings to try right after the published one, such as "
        "[{loss.bpp_lambda: 0.05}]; searched settings that are not named are drawn",
    )
    space: dict[str, Range] = Field(
        default_factory=default_space,
        min_length=1,
        description="dotted name of a setting -> {low, high, log} or {choices}; under the name "
        "`model`, choices that are tables of settings which change together",
    )


class ObjectiveSection(Section):
    """One objective of the search. Direction and reference have no default."""

    metric: Literal["bpp", "d1_psnr_db"] = Field(
        description="bpp (real bytes, in bits per input point) or d1_psnr_db"
    )
    direction: Literal["minimize", "maximize"] = Field(description="which way is better")
    reference: float = Field(
        description="the worst value that counts: the front's hypervolume is measured from here"
    )


class ResourcesSection(Section):
    """How many trials train together as a cohort, what one takes, and how many run at once."""

    cohort: Literal["auto"] | Count = Field(
        "auto",
        description="most trials of equal shape that train together in one process, as one model; "
        "auto: as many as are measured to be worth it here, in at least two rounds of cohorts; 1: "
        "each trial by itself",
    )
    cpus_per_cohort: Count = Field(1, description="processor cores, and threads, of one cohort")
    gpus_per_cohort: Literal["auto"] | Annotated[float, Field(ge=0.0)] = Field(
        "auto",
        description="GPUs, or the share of one, for a cohort; auto: 1 if there are any, but 0.25 "
        "where a cohort is a single trial",
    )
    concurrent_cohorts: Literal["auto"] | Count = Field(
        "auto",
        description="cohorts that run at once; auto: as many as there is room for at the start, on "
        "a joined cluster at least one; a number may exceed its room, the rest wait for machines",
    )


class TrackingSection(Section):
    """Where MLflow records what it is shown."""

    uri: str | None = Field(
        None, description="MLflow tracking address; null: mlflow.db in the studies' root"
    )


_OBJECTIVES = (("bpp", "minimize"), ("d1_psnr_db", "maximize"))


class StudyConfig(Section):
    """One study: a search over the weights of the codec's loss."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)] = Field(
        description="the study's name, and its folder's under root"
    )
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
    search: SearchSection = Field(description=SearchSection.__doc__)
    objectives: tuple[ObjectiveSection, ...] = Field(description=ObjectiveSection.__doc__)
    resources: ResourcesSection = Field(
        default_factory=ResourcesSection, description=ResourcesSection.__doc__
    )
    tracking: TrackingSection = Field(
        default_factory=TrackingSection, description=TrackingSection.__doc__
    )

    @model_validator(mode="after")
    def _check_objectives(self) -> Self:
        given = tuple((objective.metric, objective.direction) for objective in self.objectives)
        if given != _OBJECTIVES:
            message = (
                "objectives must be bpp (minimize) and then d1_psnr_db (maximize), but are "
                f"{', '.join(f'{metric} ({direction})' for metric, direction in given) or 'none'}"
            )
            raise ValueError(message)
        return self


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
    model: ModelSection
    loss: LossWeights
    training: TrainingConfig

    @property
    def shape(self) -> Shape:
        """What trials must have in common to train together."""
        steps = self.training.patches_per_step
        return Shape(self.model, self.data_folder, self.threads, steps, self.seed)


class Shape(NamedTuple):
    """What the trials of a cohort have in common; all else is each one's own."""

    model: ModelSection
    data_folder: str
    threads: int
    patches_per_step: int
    seed: int


class CohortConfig(Section):
    """A cohort as its worker gets it: trials of one shape, which train as one population."""

    cohort: Annotated[int, Field(ge=0)] = Field(description="the cohort's number")
    trials: tuple[TrialConfig, ...] = Field(min_length=1, description="those that begin it")
    size: Count = Field(description="trials there is room for; others may join as some leave")
    orders: str = Field(description="name under which Ray knows the study's orders to workers")

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
