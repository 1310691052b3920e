"""The loss study of docs/chamfer.md.

python -m tools.loss_study calibrate   the weights in its study files; some minutes
python -m tools.loss_study run         all studies, one after the other, and measured.csv; hours
python -m tools.loss_study table       the table of the page, from measured.csv

What was begun goes on where it was.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import fmean

import torch

from study.data import open_data_set, prepare
from study.families.dpcc.architecture import DpccArchitecture
from study.storage.study_file import parse_study
from tools.chamfer.__main__ import PAGE, between
from tools.loss_study import measured
from tools.loss_study.calibration import pulls
from tools.loss_study.table import losses

FILES = ("study.yaml", "critic.yaml")
SEEDS = (0, 1, 2)


def study_file(file: str, seed: int) -> str:
    """A study file, of a seed of its own and named after it."""
    text = Path(__file__).with_name(file).read_text(encoding="utf-8")
    config = parse_study(text, origin=file)
    text = text.replace(f"name: {config.name}\n", f"name: {config.name}-{seed}\n")
    return text.replace("\nseed: 0\n", f"\nseed: {seed}\n")


def calibrate() -> None:
    """Print weights of equal pull: geometric means over the seeds, and each seed's."""
    config = parse_study(study_file(FILES[0], 0), origin=FILES[0])
    architecture = DpccArchitecture(config.model.build())
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(config.data, form=architecture.form, root=Path(folder))
        data = open_data_set(prepared, architecture.form)
        of_seeds = [pulls(config, architecture, data, seed) for seed in SEEDS]
    for name in of_seeds[0]:
        weights = [found["chamfer"] / found[name] for found in of_seeds]
        mean = math.exp(fmean(map(math.log, weights)))
        print(f"{name}: {mean:.3g} ({', '.join(f'{weight:.3g}' for weight in weights)})")


def run(root: Path) -> None:
    """Run all studies, and write down what they measured."""
    rows = []
    for seed in SEEDS:
        for file in FILES:
            text = study_file(file, seed)
            name = parse_study(text, origin=file).name
            with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as written:
                written.write(f"{text}root: {root}\n")
                written.flush()
                command = [sys.executable, "-m", "study", "run", written.name, "--resume"]
                subprocess.run(command, check=True)
            rows += measured.rows_of(root, name, without_first=file != FILES[0])
    measured.write(rows)


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.loss_study",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=["calibrate", "run", "table"])
    parser.add_argument("--root", type=Path, default=Path("studies"), help="where studies are")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.what == "calibrate":
        calibrate()
    elif asked.what == "run":
        run(asked.root)
    else:
        before, _, after = between(PAGE.read_text(encoding="utf-8"), "losses")
        told = losses(measured.read())
        PAGE.write_text(f"{before}{told}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
