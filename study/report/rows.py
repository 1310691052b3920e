"""What every table and picture says about a trial: its columns, names and numbers as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.base.records import TrialState
from study.fronts.measures import MEASURES, broken, estimate_name
from study.metrics.table import OCTREE_SHARE, shown_beside, why_lacking
from study.report.planes import QUALITY, RATE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.base.records import TrialRecord
    from study.fronts.judged import JudgedStudy
    from study.fronts.measures import Constraint

    Cell = str | float | int | bool | None

_EPOCHS_OWN = ("bpp_estimated", "patch_chamfer")
"""What epochs have besides estimates of `MEASURES`."""

METRICS = (RATE, *_EPOCHS_OWN, *(name for name in MEASURES if name != RATE))
"""The metrics that every table of files holds. `bpp` is real bytes and exists for complete trials
only."""


def searched_names(records: Sequence[TrialRecord]) -> list[str]:
    """Return the dotted names of all searched settings, in the order of their first appearance."""
    return list(dict.fromkeys(name for record in records for name in record.params))


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return a short heading for each dotted name; where two would be equal, the dotted names.

    ``loss.bpp_lambda`` becomes ``λ bpp`` and ``loss.chamfer_coe`` becomes ``chamfer``.
    """
    shortened = {name: _shortened(name.rpartition(".")[2]) for name in names}
    taken = list(shortened.values())
    return {n: short if taken.count(short) == 1 else n for n, short in shortened.items()}


def _shortened(field: str) -> str:
    """Drop what every coefficient's name repeats."""
    if field.endswith("_lambda"):
        return f"λ {field.removesuffix('_lambda')}"
    return field.removesuffix("_coe")


def as_text(value: Cell) -> str:
    """Return a setting for reading: three digits, and ``3.2e-4`` rather than ``3.200000e-04``."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    if value == 0.0 or 1e-3 <= abs(value) < 1e4:
        # From 999.5 on three digits would be 1e+03.
        return f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    if not exponent:  # NaN and infinities have none
        return mantissa
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def duration_text(seconds: float) -> str:
    """Return a duration as ``42s``, ``3m 05s`` or ``2h 07m``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {rest:02d}s" if minutes else f"{rest}s"


def newest(record: TrialRecord, name: str) -> tuple[float | None, bool]:
    """Return a metric's newest value (None where there is none) and whether it is an estimate.

    A finished codec's values are measured. Before that the last epoch's stand in for them, and the
    rate from the likelihoods for the rate in bytes.
    """
    if name in record.final:
        return float(record.final[name]), False
    stand_in = estimate_name(name)
    estimate = None if stand_in is None else record.latest.get(stand_in)
    return (None if estimate is None else float(estimate)), True


def newest_text(record: TrialRecord, name: str) -> str:
    """Return a metric's newest value as a table shows it, an estimate with a ``~``."""
    value, estimated = newest(record, name)
    if value is None:
        return ""
    number = format(value, MEASURES[name].digits if name in MEASURES else ".4g")
    return f"~{number}" if estimated else number


def heading(name: str) -> str:
    """Return the heading of a metric's column."""
    return MEASURES[name].heading if name in MEASURES else name


def name_in_text(name: str) -> str:
    """Return what a metric is called in a sentence."""
    return MEASURES[name].name_in_text if name in MEASURES else name


def judged_metrics(study: JudgedStudy) -> list[str]:
    """Return the metrics of a study's objectives, then those of its constraints."""
    named = [*(each.metric for each in study.objectives), *(c.metric for c in study.constraints)]
    return list(dict.fromkeys(named))


def shown_metrics(study: JudgedStudy) -> list[str]:
    """Return what tables show of trials: what the study asks for, and of `SHOWN` what is known."""
    asked = judged_metrics(study)
    if OCTREE_SHARE not in asked:
        asked += [OCTREE_SHARE] * any(OCTREE_SHARE in record.final for record in study.records)
    return [*asked, *(n for n in shown_beside(asked) if any(n in r.final for r in study.records))]


def unmeasured(records: Sequence[TrialRecord]) -> list[str]:
    """Say why no finished codec has a metric that is shown of others; nothing before one is."""
    known = {name for record in records for name in record.final}
    return why_lacking(known) if known else []


def psnr_gain_db(record: TrialRecord) -> float | None:
    """Return by how much validation's D1 PSNR rose from the first epoch to the last one so far."""
    values = [e.metrics[QUALITY] for e in record.epochs if QUALITY in e.metrics]
    return values[-1] - values[0] if len(values) > 1 else None


def breaks_text(record: TrialRecord, constraints: Sequence[Constraint]) -> str:
    """Return for instance ``breaks decode_s <= 0.05``; nothing where all constraints are kept."""
    if record.feasible:
        return ""
    found = broken(record.final, constraints)
    return f"breaks {', '.join(map(str, found)) or 'a constraint'}"


def why(record: TrialRecord, constraints: Sequence[Constraint] = ()) -> str:
    """Return the sentence that says why an ended trial is not on the front for good; often none."""
    if record.state in {TrialState.FAILED, TrialState.PRUNED}:
        return record.outcome
    return breaks_text(record, constraints)


def rows(study: JudgedStudy) -> list[Mapping[str, Cell]]:
    """Return one flat row for each trial, all with the same keys, by trial number."""
    names = searched_names(study.records)
    metrics = dict.fromkeys((*METRICS, *(o.metric for o in study.objectives)))
    return [
        {
            "trial": record.number,
            "state": record.state.value,
            "on_front": record.number in study.on_front,
            "feasible": record.feasible,
            "is_baseline": record.is_baseline,
            **{name: record.params.get(name) for name in names},
            **{name: record.latest.get(name) for name in metrics},
            "d1_psnr_gain_db": psnr_gain_db(record),
            "epochs": len(record.epochs),
            "rung": record.rung,
            "elapsed_s": float(record.elapsed_s),
            "outcome": record.outcome,
            "codecs": record.folder,
        }
        for record in sorted(study.records, key=lambda record: record.number)
    ]
