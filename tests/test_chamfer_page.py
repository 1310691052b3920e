"""docs/chamfer.md says what its script computes."""

from __future__ import annotations

import pytest

from tools.chamfer.__main__ import PAGE, between
from tools.chamfer.autoencoder import train
from tools.chamfer.claims import along_a_line
from tools.chamfer.clouds import LOSSES
from tools.chamfer.tables import QUICK, TABLES


@pytest.mark.parametrize("name", QUICK)
def test_tables_that_train_nothing_are_what_is_computed(name: str) -> None:
    assert TABLES[name]() == between(PAGE.read_text(encoding="utf-8"), name)[1]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_its_place_in_the_page(name: str) -> None:
    head, rule, *rows = between(PAGE.read_text(encoding="utf-8"), name)[1].splitlines()
    assert head.startswith("| ")
    assert rule.startswith("| --- |")
    assert rows


@pytest.mark.parametrize("loss", LOSSES)
def test_only_density_aware_chamfer_jumps_itself(loss: str) -> None:
    """With steps a tenth as long, a jump's change over the step is ten times as large."""
    coarse, fine = (along_a_line(loss, steps).largest_step for steps in (101, 1001))
    assert (fine > 5 * coarse) == (loss == "density-aware chamfer")
    if loss != "density-aware chamfer":
        assert fine < 1.5 * coarse


def test_training_repeats_and_the_divergence_counts_where_it_has_a_weight() -> None:
    free, again, held = (train("chamfer", 30, 0, weight) for weight in (0.0, 0.0, 0.03))
    assert free == again
    assert held.kl_bits < free.kl_bits


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", [name for name in TABLES if name not in QUICK])
def test_tables_that_train_are_nearly_what_is_computed(name: str) -> None:
    """Rounding differs between processors and a training spreads it: within a fifth, or 2 units."""
    told, found = (
        [cells_of(row) for row in text.splitlines()[2:]]
        for text in (between(PAGE.read_text(encoding="utf-8"), name)[1], TABLES[name]())
    )
    for ours, theirs in zip(found, told, strict=True):
        assert ours[0] == theirs[0]
        for one, other in zip(ours[1:], theirs[1:], strict=True):
            unit = 10.0 ** -len(other.partition(".")[2])
            assert float(one) == pytest.approx(float(other), rel=0.2, abs=2 * unit)


def cells_of(row: str) -> list[str]:
    """Its name and its numbers, the half ranges behind them left out."""
    cells = (cell.strip().partition(" ± ")[0].rstrip("%") for cell in row.strip("| ").split("|"))
    return [cell for cell in cells if cell]
