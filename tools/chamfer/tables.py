"""The numbers of docs/chamfer.md as its tables, in Markdown."""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING

from tools.chamfer.autoencoder import SEEDS, Trained, train, untrained_answer
from tools.chamfer.claims import along_a_line, clusters, descent, first_example, second_example
from tools.chamfer.clouds import LOSSES
from tools.chamfer.training_steps import WATCHED, windows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tools.chamfer.training_steps import Window


STEPS = (400, 4000)
DESCENTS = ("chamfer", "density-aware chamfer", "sliced Wasserstein", "Sinkhorn divergence")
EPOCHS = (30, 300)
KL_WEIGHTS = (0.0, 1e-4, 1e-3, 1e-2)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first column is text, the others are numbers."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def line() -> str:
    """What happens where a nearest point changes, with steps ten times as fine."""
    rows = []
    for loss in LOSSES:
        coarse, fine = (along_a_line(loss, steps) for steps in STEPS)
        rows.append(
            [
                loss,
                f"{coarse.largest_step:.3f}",
                f"{fine.largest_step:.3f}",
                f"{coarse.largest_jump:.3f}",
                f"{fine.largest_jump:.3f}",
            ]
        )
    head = ["loss", "value, 400 places", "4,000", "gradient, 400 places", "4,000"]
    return table(head, rows)


def examples() -> str:
    """The article's first two examples."""
    before, after = first_example()
    sides = second_example()
    told = [
        [f"gradient, {when}", *(f"({x:.4f}, {y:.4f})" for x, y in gradient.tolist())]
        for when, gradient in (("before", before), ("after", after))
    ]
    first = table(["first example", "moved point", "second", "third"], told)
    second = table(
        ["second example", "chamfer", "one side"],
        [[name, f"{both:.4f}", f"{one:.4f}"] for name, (both, one) in sides.items()],
    )
    return f"{first}\n\n{second}"


def descents() -> str:
    """How often a nearest point changes in a descent, and how far the gradient turns."""
    rows = []
    for loss in DESCENTS:
        found = descent(loss)
        last = slice(len(found.changed) // 2, None)
        rows.append(
            [
                loss,
                f"{mean(found.changed[:10]):.2%}",
                f"{mean(found.changed[last]):.2%}",
                f"{mean(found.turned[:10]):.3f}",
                f"{mean(found.turned[last]):.3f}",
                f"{found.value[-1] / found.value[0]:.2g}",
            ]
        )
    head = ["loss", "matches changed, steps 1 to 10", "101 to 200", "cosine, steps 1 to 10"]
    return table([*head, "101 to 200", "loss left"], rows)


def steps() -> str:
    """The same in a training of D-PCC: mean over the seeds."""
    rows = []
    for of_seeds in zip(*map(windows, SEEDS), strict=True):

        def told(name: str, form: str, looked: tuple[Window, ...] = of_seeds) -> str:
            return format(mean(getattr(each, name) for each in looked), form)

        first = of_seeds[0].after
        rows.append(
            [
                f"{first + 1:,} to {first + WATCHED:,}",
                *(told(n, ".0%") for n in ("true_changed", "decoded_changed")),
                told("replaced", ".1%"),
                *(told(n, ".2f") for n in ("turned", "held", "apart")),
            ]
        )
    head = ["steps", "nearest true point changed", "nearest decoded point changed"]
    head += ["points replaced", "cosine", "with the matches before", "of two patches"]
    return table(head, rows)


def heaps() -> str:
    """Evenly spread copies against heaps of them."""
    return table(
        ["loss", "spread", "in heaps", "heaps / spread"],
        [
            [name, f"{spread:.2g}", f"{heaped:.2g}", f"{heaped / spread:.2g}"]
            for name, (spread, heaped) in clusters().items()
        ],
    )


def autoencoders() -> str:
    """The article's network, trained by each loss, and by chamfer with its divergence."""
    trivial = [mean(values) for values in zip(*map(untrained_answer, SEEDS), strict=True)]
    rows = [["another set's points", "", *(f"{value:.4f}" for value in trivial), "1.00", ""]]
    for epochs in EPOCHS:
        rows += [_of_seeds(loss, [train(loss, epochs, seed) for seed in SEEDS]) for loss in LOSSES]
    for weight in KL_WEIGHTS:
        trained = [train("chamfer", EPOCHS[-1], seed, weight) for seed in SEEDS]
        rows.append(_of_seeds(f"chamfer + {weight:g} x KL bits", trained))
    head = ["trained by", "epochs", "chamfer", "earth mover's", "spread", "KL bits"]
    return table(head, rows)


def _of_seeds(name: str, trained: Sequence[Trained]) -> list[str]:
    """Mean over the seeds, and the range of the distances."""

    def told(what: Callable[[Trained], float], digits: int) -> str:
        values = [what(each) for each in trained]
        half = (max(values) - min(values)) / 2
        return f"{mean(values):.{digits}f} ± {half:.{digits}f}"

    return [
        name,
        str(trained[0].epochs),
        told(lambda one: one.chamfer, 4),
        told(lambda one: one.exact, 4),
        f"{mean(one.spread for one in trained):.2f}",
        f"{mean(one.kl_bits for one in trained):.1f}",
    ]


TABLES: dict[str, Callable[[], str]] = {
    "line": line,
    "examples": examples,
    "descents": descents,
    "steps": steps,
    "heaps": heaps,
    "autoencoders": autoencoders,
}
QUICK = ("line", "examples", "heaps")
"""What takes seconds, and is the same on every machine. The others train."""
