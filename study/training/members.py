"""The members of a cohort: what sets one apart, what it is made of, and what is said of it.

Legend: P numbers of one network's parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from torch import Tensor

    from study.base.records import Failure
    from study.config import TrainingSection, TrialConfig
    from study.config.of_family import FamilySection
    from study.metrics.measurement import CloudResult


@dataclass(frozen=True)
class Member:
    """What sets one trial of a cohort apart.

    Attributes:
        trial: its number.
        seed: of its initial weights and its quantisation noise.
        loss: its loss weights.
        training: its epochs, learning rates, their schedule, and clipping. Patches per step are
            those of the cohort.
        order_from: the epoch of the cohort's order of patches that its first epoch follows: above
            0 where it joined a cohort that had already trained.
    """

    trial: int
    seed: int
    loss: FamilySection
    training: TrainingSection
    order_from: int = 0

    def to_plain(self) -> dict[str, Any]:
        """Numbers, text and dictionaries: what a checkpoint may hold."""
        return {
            "trial": self.trial,
            "seed": self.seed,
            "loss": self.loss.model_dump(),
            "training": self.training.model_dump(),
            "order_from": self.order_from,
        }

    def alike(self, plain: dict[str, Any]) -> Member:
        """The way back, for a member of the same family as this one."""
        loss, training = type(self.loss), type(self.training)
        read = {
            "loss": loss.model_validate(plain["loss"]),
            "training": training.model_validate(plain["training"]),
        }
        return Member(**{**plain, **read})


@dataclass(frozen=True)
class MemberState:
    """Everything that a member in training is made of, whoever trains beside it.

    Attributes:
        member: who.
        parameters: (P,), in the order of `study.training.flat.Layout`.
        mean: (P,), Adam's running mean of its gradients.
        square: (P,), Adam's running mean of their squares.
        steps: how many it has taken.
        noise: the state of its generator of noise.
    """

    member: Member
    parameters: Tensor
    mean: Tensor
    square: Tensor
    steps: int
    noise: Tensor

    def to_plain(self) -> dict[str, Any]:
        """What a checkpoint may hold, on the CPU."""
        tensors = {name: getattr(self, name).cpu() for name in _TENSORS}
        return {"member": self.member.to_plain(), "steps": self.steps, **tensors}

    @classmethod
    def from_plain(cls, plain: dict[str, Any], like: Member) -> Self:
        """The way back, for a member of the same family as another."""
        return cls(**{**plain, "member": like.alike(plain["member"])})


_TENSORS = ("parameters", "mean", "square", "noise")


@dataclass(frozen=True)
class Trained:
    """What is left of a member that trained to its last epoch.

    Attributes:
        member: who.
        parameters: (P,), on the CPU.
    """

    member: Member
    parameters: Tensor

    def to_plain(self) -> dict[str, Any]:
        """What a checkpoint may hold."""
        return {"member": self.member.to_plain(), "parameters": self.parameters}

    @classmethod
    def from_plain(cls, plain: dict[str, Any], like: Member) -> Self:
        """The way back, for a member of the same family as another."""
        return cls(like.alike(plain["member"]), plain["parameters"])


@dataclass(frozen=True)
class EpochResult:
    """What one epoch says about one member.

    Attributes:
        metrics: validation metrics (see :meth:`study.training.evaluation.Validation.of`), ``loss``
            (of training, mean over steps), every loss term as ``term_NAME`` before and
            ``weighted_NAME`` after weighting, ``learning_rate``, ``population`` (members that
            trained as one with it, itself included), ``padding_share`` (of the points computed
            with), ``train_s`` and ``validate_s`` (of all members together). Empty when it cannot
            go on.
        failure: why this member cannot go on, or None.
    """

    metrics: dict[str, float]
    failure: Failure | None = None


@dataclass(frozen=True)
class Measured:
    """What a finished codec is worth in bytes; see :func:`study.training.evaluation.measure`.

    Attributes:
        metrics: empty when it cannot be measured.
        failure: why the codec cannot code, or None.
        clouds: the same, cloud by cloud.
    """

    metrics: dict[str, float]
    failure: Failure | None = None
    clouds: tuple[CloudResult, ...] = ()


def member_of(trial: TrialConfig) -> Member:
    """Return what training needs to know of one trial."""
    return Member(
        trial=trial.trial,
        seed=trial.seed,
        loss=trial.loss,
        training=trial.training,
        order_from=trial.order_from,
    )
