"""Made-up studies for the tests of pages."""

from __future__ import annotations

from study.base.records import EpochRecord, TrialRecord, TrialState
from study.fronts.front import Direction, Objective

OBJECTIVES = (
    Objective("bpp", Direction.MINIMIZE, reference=2.0),
    Objective("d1_psnr_db", Direction.MAXIMIZE, reference=30.0),
)
DENSITY = Objective("density", Direction.MINIMIZE, reference=2.0)


def trial(
    number: int,
    bpp: float,
    psnr_db: float,
    state: TrialState = TrialState.COMPLETE,
    *,
    density: float = 0.5,
    outcome: str = "trained to the end and measured",
) -> TrialRecord:
    """A trial of three epochs that ended, or stands, at these values."""
    epochs = tuple(
        EpochRecord(
            e, {"bpp_estimated": bpp + 0.3 / e, "d1_psnr_db": psnr_db - 3 / e, "density": density}
        )
        for e in (1, 2, 3)
    )
    final = {"bpp": bpp, "d1_psnr_db": psnr_db, "density": density, "decode_s": 0.01234}
    return TrialRecord(
        number=number,
        state=state,
        params={
            "loss.bpp_lambda": 3.2e-4 * (number + 1),
            "training.norm": ("masked", "published")[number % 2],
            "model.k": 8 * (number + 1),
        },
        epochs=epochs,
        total_epochs=3,
        final=final if state is TrialState.COMPLETE else {},
        outcome=outcome,
        is_baseline=number == 0,
        elapsed_s=125.4,
        ended_s=float(number) if state.is_final else None,
        run=f"{number:032x}",
    )


def study() -> list[TrialRecord]:
    """Three on the front (1, 2, 0), one beaten, one of each other kind, and one not yet begun."""
    broken = trial(8, 0.6, 38.0)
    return [
        trial(0, 1.4, 37.5),
        trial(1, 0.5, 35.0),
        trial(2, 0.9, 36.8),
        trial(3, 1.0, 36.0, outcome="<img src=x onerror=alert(1)> & more"),
        trial(4, 0.8, 35.5, TrialState.RUNNING, outcome=""),
        trial(5, 1.1, 34.0, TrialState.FAILED, outcome="diverged: the loss was NaN"),
        trial(6, 0.7, 34.0, TrialState.PRUNED, outcome="stopped after epoch 3"),
        TrialRecord(7, TrialState.INTERRUPTED, params={"loss.bpp_lambda": 1e-3}, total_epochs=3),
        TrialRecord(**{**broken.__dict__, "feasible": False}),
    ]
