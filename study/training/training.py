"""Training a cohort: epochs, who joins and who leaves, and checkpoints."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from model.errors import UncodableError
from study.base.errors import StudyError
from study.base.records import Failure, Fault
from study.data.dataset import check_form
from study.metrics.measurement import known_over_clouds
from study.metrics.table import MEASURES
from study.training.checkpoint import read_checkpoint, write_checkpoint, write_codec
from study.training.codec_files import codec_file
from study.training.evaluation import Validation, measure_each
from study.training.feeding import Feed
from study.training.flat import Layout, by_name, of_codec
from study.training.members import EpochResult, Measured, Member, MemberState, Trained
from study.training.memory import in_parts, out_of_memory
from study.training.octree_member import SLOPE, beside_octree, slope_beside
from study.training.population import fresh_states, learning_rates
from study.training.populations import Populations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from study.data import DataSet
    from study.training.architecture import Architecture
    from study.training.population import Population

__all__ = ["EpochResult", "Measured", "Member", "Training"]


class Training:
    """A cohort in training: it sees the same patches in the same order, as one population.

    Trials are independent. Who trains beside a member decides nothing about it but the order of
    rounding: members join, leave, finish and diverge, and the rest trains on unchanged. Where
    memory runs out the population is divided, and goes on from the very step.

    Attributes:
        clock: the epoch that the order of patches is in: `order_from + epochs_done` of whoever
            is living.
    """

    def __init__(
        self,
        *,
        architecture: Architecture,
        members: Sequence[Member],
        data: DataSet,
        order_seed: int,
        device: str,
        extra_metrics: Sequence[str] = (),
        with_octree: bool = False,
    ) -> None:
        """Begin before the first epoch.

        Args:
            architecture: of all members.
            members: one or more, of equal patches per step, and all from the same place in the
                order of patches.
            data: prepared for the same architecture.
            order_seed: of the order in which patches are seen.
            device: "cpu" or "cuda".
            extra_metrics: what epochs measure besides: names of `study.metrics.table.MEASURES`.
            with_octree: whether finished codecs are measured with an octree as a member.

        Raises:
            StudyError: the data was prepared for another architecture.
        """
        _check_data_fits(architecture, data)
        self._architecture, self._data, self._device = architecture, data, device
        self._order_seed = order_seed
        self._patches_per_step = members[0].training.patches_per_step
        self._feed = Feed(architecture, data, self._patches_per_step, order_seed, device)
        self._validation = Validation(architecture, data, "validation", device)
        self._extra_metrics = tuple(extra_metrics)
        self._shapes = Layout(architecture.network(1), architecture).shapes
        self._like = members[0]
        self._with_octree = with_octree
        self.clock = members[0].order_from
        self._cohort = Populations(architecture, device)
        self._epochs: dict[int, int] = {}
        self._finished: dict[int, Trained] = {}
        self._trained_last: frozenset[int] = frozenset()
        self.join(members)

    @property
    def living(self) -> tuple[int, ...]:
        """Numbers of the trials in training, in the order in which they joined."""
        living = {member.trial for member in self._cohort.members}
        return tuple(trial for trial in self._epochs if trial in living)

    @property
    def finished(self) -> tuple[int, ...]:
        """Numbers of the trials that trained to their last epoch and wait to be measured."""
        return tuple(self._finished)

    @property
    def known(self) -> tuple[int, ...]:
        """Numbers of all trials that ever were members, whatever became of them."""
        return tuple(self._epochs)

    def epochs_done(self, trial: int) -> int:
        """Epochs that a trial, once a member, has trained; the one it diverged in is counted."""
        return self._epochs[trial]

    def parameters(self, trial: int) -> dict[str, Tensor]:
        """The parameters of a member, or of one that has finished, as a population of one."""
        if trial in self._finished:
            return by_name(self._finished[trial].parameters, self._shapes)
        states = {state.member.trial: state for state in self._cohort.states()}
        return by_name(states[trial].parameters, self._shapes)

    def join(self, members: Sequence[Member]) -> None:
        """Take new members in, between two epochs."""
        for member in members:
            assert member.order_from == self.clock, f"{member} joins at {self.clock}"
            assert member.training.patches_per_step == self._patches_per_step, f"{member}"
            assert member.trial not in self._epochs, f"{member} was a member before"
            self._epochs[member.trial] = 0
        if members:
            fresh = fresh_states(self._architecture, members, self._device)
            self._cohort.put_together([*self._cohort.states(), *fresh])

    def leave(self, trials: Sequence[int]) -> None:
        """Let members go, between two epochs; what they learned is forgotten."""
        for trial in trials:
            self._finished.pop(trial, None)
        self._cohort.dismiss(trials)

    def run_epoch(self) -> dict[int, EpochResult]:
        """Train all living members for an epoch and validate them; one result for each.

        Those that diverge leave; those that have trained to their last epoch become finished.
        """
        started = time.perf_counter()
        trials, plan = self.living, self._feed.plan(self.clock)
        too_large = self._cohort.train(self._feed, plan, self.clock)
        trained = time.perf_counter()
        found = {trial: EpochResult({}, out_of_memory(self._device)) for trial in too_large}
        for population in self._cohort.populations:
            found |= self._results(population)
        shared = {
            "padding_share": self._feed.padding_share(plan),
            "train_s": trained - started,
            "validate_s": time.perf_counter() - trained,
        }
        self.clock += 1
        for trial in trials:
            self._epochs[trial] += 1
            if found[trial].failure is None:
                found[trial].metrics.update(shared)
        self._cohort.dismiss([trial for trial in trials if found[trial].failure])
        self._trained_last = frozenset(self.living)
        self._finish()
        return {trial: found[trial] for trial in trials}

    def measure(self, trial: int) -> Measured:
        """Weigh a finished member's codec in bytes on the validation clouds; it then leaves."""
        ((_, measured),) = in_parts(self._finished[trial], self._measured, lambda _: [])
        del self._finished[trial]
        return measured or Measured({}, out_of_memory(self._device))

    def _measured(self, trained: Trained) -> Measured:
        network = self._architecture.network(1)
        network.restore(by_name(trained.parameters, self._shapes))
        partition = self._data.manifest.recipe.partition()
        files = self._architecture.coder(network.to(self._device), partition, is_ours=True)
        (estimated,) = self._validation.of(network)
        if self._with_octree:
            estimated[SLOPE] = slope_beside(self._data, estimated["d1_psnr_db"])
            files = beside_octree(files, estimated[SLOPE])
        try:
            clouds = measure_each(files, self._data, "validation")
            metrics = {**estimated, **known_over_clouds(clouds, MEASURES)}
            return Measured(metrics, clouds=tuple(clouds))
        except UncodableError as error:
            return Measured({}, Failure.of(Fault.DIVERGED, str(error)))

    def save(self, folder: Path) -> None:
        """Write a checkpoint, atomically: each member as it would be alone, by its number."""
        living = {state.member.trial: state.to_plain() for state in self._cohort.states()}
        write_checkpoint(
            folder,
            {
                **self._identity(),
                "clock": self.clock,
                "epochs": dict(self._epochs),
                "living": living,
                "finished": {trial: one.to_plain() for trial, one in self._finished.items()},
            },
        )

    def write_codecs(self, folder: Path) -> dict[int, tuple[int, int]]:
        """Write the codec of each member that the last epoch trained, as `codec_file` places it.

        Returns:
            The epochs that each has trained, and the bytes of its file, by trial.
        """
        parameters = {state.member.trial: state.parameters for state in self._cohort.states()}
        parameters |= {trial: one.parameters for trial, one in self._finished.items()}
        written = {}
        for trial in sorted(self._trained_last & parameters.keys()):
            epoch = self._epochs[trial]
            path = codec_file(folder, trial, epoch)
            own = of_codec(parameters[trial], self._shapes)
            size = write_codec(path, trial, epoch, own, self._shapes)
            written[trial] = (epoch, size)
        return written

    def load(self, folder: Path) -> None:
        """Go on exactly where the checkpoint was written, with the members that it names.

        Raises:
            StudyError: there is no usable checkpoint, or it is of another training.
        """
        state = read_checkpoint(folder)
        ours = self._identity()
        if {name: state[name] for name in ours} != ours:
            theirs = {name: state[name] for name in ours if name != "shapes"}
            del ours["shapes"]
            raise StudyError(
                f"the checkpoint in {folder} must be of a training with {ours}, and is of one with "
                f"{theirs}; name the checkpoint of this training"
            )
        self.clock, self._epochs = state["clock"], state["epochs"]
        self._finished = {
            t: Trained.from_plain(one, self._like) for t, one in state["finished"].items()
        }
        self._trained_last = frozenset()
        living = [MemberState.from_plain(plain, self._like) for plain in state["living"].values()]
        self._cohort.put_together(living)

    def _identity(self) -> dict[str, object]:
        """What must be equal to go on from a checkpoint."""
        return {
            "model": dict(self._architecture.identity),
            "shapes": self._shapes,
            "order_seed": self._order_seed,
            "patches_per_step": self._patches_per_step,
        }

    def _results(self, population: Population) -> dict[int, EpochResult]:
        """What the epoch says of each member of a population that trained it."""
        sound = [index for index, finite in enumerate(population.finite()) if finite]
        validated = self._validated(population, sound)
        means = population.means()
        results = {}
        for index, member in enumerate(population.members):
            metrics = validated.get(index, {})
            if metrics is None:
                result = EpochResult({}, out_of_memory(self._device))
            elif not metrics or not all(map(math.isfinite, metrics.values())):
                result = EpochResult({}, _diverged(self._epochs[member.trial] + 1))
            else:
                rate, *_ = learning_rates(member, self.clock, self._architecture.rates)
                own = {"learning_rate": rate, "population": float(len(population.members))}
                result = EpochResult({**metrics, **means[index], **own})
            results[member.trial] = result
        return results

    def _validated(
        self, population: Population, chosen: list[int]
    ) -> dict[int, dict[str, float] | None]:
        """Metrics of some members, frozen: what an epoch promises is what a file would give.

        None where even one alone does not fit into memory.
        """
        if not chosen:
            return {}

        def evaluate(some: list[int]) -> list[dict[str, float]]:
            network = population.network.select(some)
            network.freeze()
            return self._validation.of(network, self._extra_metrics)

        found: dict[int, dict[str, float] | None] = dict.fromkeys(chosen)
        for some, metrics in in_parts(chosen, evaluate, _halves):
            if metrics is not None:
                found |= zip(some, metrics, strict=True)
        return found

    def _finish(self) -> None:
        """Take the living that have trained to their last epoch out of the population."""
        last = [m for m in self._cohort.members if self._epochs[m.trial] >= m.training.epochs]
        if not last:
            return
        for state in self._cohort.states():
            if state.member in last:
                own = of_codec(state.parameters, self._shapes)
                parameters = own.to("cpu", copy=True)
                self._finished[state.member.trial] = Trained(state.member, parameters)
        self._cohort.dismiss([member.trial for member in last])


def _halves(indices: list[int]) -> list[list[int]]:
    middle = len(indices) // 2
    return [indices[:middle], indices[middle:]] if middle else []


def _diverged(epoch: int) -> Failure:
    return Failure.of(
        Fault.DIVERGED,
        "its loss, parameters or validation stopped being finite numbers in epoch "
        f"{epoch}; a smaller learning_rate, smaller loss weights or a max_grad_norm help",
    )


def _check_data_fits(architecture: Architecture, data: DataSet) -> None:
    """Raise StudyError where the patches are not those that the networks read."""
    if architecture.codes_normals and not data.manifest.recipe.normals:
        raise StudyError(
            f"a codec of normals needs data with normals, and {data.folder} has none; prepare it "
            "with data.normals: true"
        )
    check_form(architecture.form, data.manifest, data.folder)
