"""`python -m benchmarks [NAME ...]`: run benchmarks, all of them by default."""

from __future__ import annotations

import argparse
import warnings
from importlib import import_module
from pathlib import Path

BENCHMARKS = {
    "step": "a training step of one trial on 1,024 points, against both plain twins (has bars)",
    "cohorts": "the same in cohorts of several sizes, per trial, with memory and padding",
    "arithmetic": "matrix products of a step, against what the machine reaches",
    "packing": "processes side by side against cohorts (has a bar)",
    "epochs": "training epochs per hour of the quick start",
    "search": "the neighbour searches of one step, against k-d trees and PyTorch",
    "hierarchy": "the hierarchy of one patch, against the plain twin's geometry",
    "codec": "whole clouds to files and back, against Draco",
    "density": "the density metric of a million points, against a k-d tree (has a bar)",
    "octree": "the octree codec against Draco and G-PCC, its speed and memory (has bars)",
    "zoo": "the codec that comes with the package against the octree and G-PCC",
    "fronts": "front and hypervolume of a million points, against moocore and Optuna (has a bar)",
    "logging": "telling MLflow of an epoch, with its server up and dead (has a bar)",
    "page": "the page of a front of 10,000 trials, in a browser (has bars)",
    "bookkeeping": "studies of trials that do nothing, against the time they sleep (has a bar)",
}
"""Name to what is measured; each is a module with `run(pairs)`, or `run(trials)` in the case of
`bookkeeping`, which says whether its bars held. Some take clouds besides."""

OF_CLOUDS = {"octree", "zoo"}
"""Those that take clouds of the user's."""

GPU = "gpu"
"""A name that stands alone: what a GPU is to show, within ten minutes (`benchmarks.gpu`)."""


def main() -> None:
    """Run what the command line names. A missed bar is told, and is no failure.

    How fast a machine is, and how busy, decides over no pass or fail.
    """
    arguments = command_line().parse_args()
    if GPU in arguments.names:
        raise SystemExit(import_module("benchmarks.gpu").run())
    # CompressAI brings in torch_geometric, which compiles on import the way PyTorch gave up.
    warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)
    import torch  # noqa: PLC0415  --help should not wait for it

    from benchmarks.measuring import surroundings  # noqa: PLC0415  likewise

    torch.set_num_threads(1)
    missed = []
    for name in arguments.names or BENCHMARKS:
        print(f"{name}: {BENCHMARKS[name]}\n  {surroundings()}", flush=True)
        amount = arguments.trials if name == "bookkeeping" else arguments.pairs
        clouds = (arguments.clouds, arguments.points) if name in OF_CLOUDS else ()
        if not import_module(f"benchmarks.{name}").run(amount, *clouds):
            missed.append(name)
    if missed:
        print(f"bar missed: {', '.join(missed)}")


def command_line() -> argparse.ArgumentParser:
    """What can be asked for."""
    of_gpu = "alone, and on a GPU: its tests, and these with its bars, in ten minutes"
    listed = "\n".join(f"  {name:11} {what}" for name, what in [*BENCHMARKS.items(), (GPU, of_gpu)])
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"Ratios, measured in turns, with one thread.\n\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # `choices` would refuse the empty list that stands for all of them.
    parser.add_argument("names", nargs="*", type=_name, metavar="NAME", help="default: all")
    parser.add_argument(
        "--pairs",
        type=_at_least_two,
        default=30,
        help="runs of each way; long ones take fewer (default: 30)",
    )
    parser.add_argument(
        "--trials", type=_at_least_two, default=400, help="of `bookkeeping` (default: 400)"
    )
    parser.add_argument(
        "--clouds",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="of `octree`: files of clouds, in the place of the embedded objects",
    )
    parser.add_argument(
        "--points",
        type=_at_least_two,
        default=32_768,
        help="of each of those clouds; meshes are sampled (default: 32,768)",
    )
    return parser


def _name(text: str) -> str:
    names = [*BENCHMARKS, GPU]
    if text not in names:
        raise argparse.ArgumentTypeError(f"there is no {text!r}; choose from {', '.join(names)}")
    return text


def _at_least_two(text: str) -> int:
    if int(text) < 2:
        raise argparse.ArgumentTypeError(f"a spread needs at least 2, not {text}")
    return int(text)


if __name__ == "__main__":
    main()
