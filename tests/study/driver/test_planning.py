"""What no machine here can give is refused before Ray starts."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import ray

from study.driver.cluster import ray_running, resources_here
from study.storage.study_file import parse_study
from tests.study import toy

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("resources", "sentence"),
    [
        ("cpus_per_cohort: 9999", "resources.cpus_per_cohort asks for 9999 and there are "),
        ("gpus_per_cohort: 99", "resources.gpus_per_cohort asks for 99 and there are "),
    ],
)
def test_resources_beyond_the_machine_are_refused_before_ray_starts(
    resources: str, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "toy.yaml").write_text(f"{toy.TOY_STUDY}resources: {{{resources}}}\n")
    done = subprocess.run(
        [sys.executable, "-m", "study", "run", "toy.yaml"],
        cwd=tmp_path,
        env={**os.environ, "RAY_TMPDIR": str(tmp_path / "ray")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: one cohort must fit the machine, but {sentence}")
    # Ray would have left its session's folder, and the study its own and its data.
    assert {path.name for path in tmp_path.iterdir()} == {"toy.yaml", "studies"}
    assert list((tmp_path / "studies").iterdir()) == []


def test_the_machine_is_what_ray_finds_on_it() -> None:
    before = resources_here()
    with ray_running(None):
        found = ray.cluster_resources()
    assert before == {"CPU": found["CPU"], "GPU": found.get("GPU", 0.0)}


@pytest.mark.parametrize(
    ("resources", "fits"),
    [
        ("{}", True),
        ("{gpus_per_cohort: 0}", True),
        ("{gpus_per_cohort: 0.5}", False),
        ("{cpus_per_cohort: 2}", False),
    ],
)
def test_the_machine_is_looked_at_where_it_may_be_too_small(
    resources: str,
    fits: bool,  # noqa: FBT001
) -> None:
    config = parse_study(f"{toy.STUDY}resources: {resources}", origin="toy")
    assert config.resources.fit_any_machine is fits
