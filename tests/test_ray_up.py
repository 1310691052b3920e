"""`ray up` for real: what docs/cluster.md tells a user to do, on three machines of namespaces.

The tests are one walk, and go on from each other. They take some ten minutes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from study.base.children import child_variables
from study.base.records import TrialState
from study.storage.folder import StudyFolder
from study.storage.progress import read_records
from tests.on_premises import ROOT, Cluster, until
from tools import drill_checks
from tools.machines.rack import DESK, Rack, why_not

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from study.base.records import TrialRecord

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]

NAMES = ("m1", "m2", "m3")

_STUDY = """
name: {name}
family: {family}
seed: 1
data: {{max_objects: 12, points_per_object: 700, cube_size: 100.0}}
model: {{k: 8, hidden_dim: 16}}
training: {{epochs: {epochs}, learning_rate: 5e-3}}
search: {{trials: {trials}, sampler: qmc, space: {{loss.bpp_lambda: {{low: 1e-4, high: 1.0}}}}}}
halting: {{rule: none}}
resources: {{cohort: 2, concurrent_cohorts: {at_once}, gpus_per_cohort: 0}}
objectives:
  - {{metric: bpp, direction: minimize, reference: 3.0}}
  - {{metric: d1_psnr_db, direction: maximize, reference: 20.0}}
"""
REAL = _STUDY.format(name="real", family="dpcc", epochs=4, trials=6, at_once=3)
TOYS = _STUDY.format(name="toys", family="tests.study.toy:Toy", epochs=15, trials=28, at_once=4)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Rack(tmp_path_factory.mktemp("rack")) as rack:
        cluster = Cluster(rack, NAMES)
        cluster.up(later=["m4"])
        cluster.wait_for(NAMES, 400)
        yield cluster


def test_every_machine_has_what_was_shipped(cluster: Cluster) -> None:
    token = (cluster.home(DESK) / ".ray/auth_token").read_text(encoding="utf-8")
    assert len(token) >= 32
    for name in (DESK, *NAMES):
        held = cluster.home(name) / ".ray/auth_token"
        assert held.read_text(encoding="utf-8") == token
        assert held.stat().st_mode & 0o777 == 0o600
    for name in NAMES:
        shipped = cluster.home(name) / "dpcc-study"
        assert (shipped / "study/driver/runner.py").exists()
        assert not (shipped / ".git").exists()
        assert not (shipped / ".venv").exists()


def test_who_has_no_token_is_refused(cluster: Cluster) -> None:
    join = f"import ray; ray.init('{cluster.head.address}:6379', logging_level=50); print('joined')"
    line = f'RAY_AUTH_MODE=disabled timeout 60 {sys.prefix}/bin/python -c "{join}"'
    stranger = cluster.desk.run(line, check=False)
    assert "joined" not in stranger.stdout
    assert stranger.returncode
    jobs = "import urllib.request as r; r.urlopen('http://127.0.0.1:8265/api/jobs/')"
    asked = cluster.head.run(f'python -c "{jobs}"', check=False)
    assert "401" in asked.stderr
    line = f"timeout 5 bash -c '</dev/tcp/{cluster.head.address}/8265'"
    assert cluster.desk.run(line, check=False).returncode, "the job API is on loopback only"


def test_nothing_listens_but_what_the_documentation_lists(cluster: Cluster) -> None:
    page = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+)(?: to (\d+))? \|", page, re.MULTILINE)
    listed = {port for low, high in rows for port in range(int(low), int(high or low) + 1)}
    assert len(rows) > 5
    for machine in cluster.machines:
        places = [line.split()[3] for line in machine.run("ss -tlnH").stdout.splitlines()]
        open_to_others = {place for place in places if "127.0.0.1" not in place}
        assert {int(place.rpartition(":")[2]) for place in open_to_others} <= listed
        assert len(open_to_others) > 4


def test_a_study_trains_on_all_machines_and_ends_as_on_one(
    cluster: Cluster, tmp_path: Path
) -> None:
    for machine in cluster.machines:  # Or a slow compiler would leave one to other rounding.
        code = "from model.native.library import library; assert library()"
        machine.run(f'cd dpcc-study && python -c "{code}"')
    head = cluster.home("m1") / "dpcc-study"
    (head / "real.yaml").write_text(REAL, encoding="utf-8")
    seen: dict[str, int] = dict.fromkeys(NAMES, 0)
    with cluster.running("real.yaml", tmp_path / "log") as process:
        end = time.monotonic() + 600
        while process.poll() is None and time.monotonic() < end:
            seen = {name: max(count, seen[name]) for name, count in cluster.busy().items()}
            time.sleep(0.2)
        said = (tmp_path / "log").read_text(encoding="utf-8")
        assert process.poll() == 0, said[-3000:]
    assert seen == dict.fromkeys(NAMES, 1)
    for name in NAMES[1:]:
        assert not (cluster.home(name) / "dpcc-study/studies").exists()
        assert len(list((cluster.home(name) / ".cache/dpcc-study/data").glob("embedded-*"))) == 1
        assert cluster.rack.machines[name].run("ls -d /tmp/dpcc-*", check=False).stdout == ""
    alone(tmp_path)
    study, calm = StudyFolder(head / "studies/real"), StudyFolder(tmp_path / "studies/real")
    config = study.config()
    records = read_records(study, config)
    # The same trials, to rounding; Optuna, MLflow and the folders tell of the same.
    findings = [
        *drill_checks._trials(study, config, records),
        *drill_checks._runs(study.path.parent / "mlflow.db", study, records),
        *drill_checks._folders(study, records),
        *drill_checks._values(config, records, read_records(calm, config)),
    ]
    assert [finding for finding in findings if not finding.is_well] == []


def alone(folder: Path) -> None:
    """The same study on this machine, one cohort after the other."""
    file = folder / "real.yaml"
    file.write_text(REAL.replace("concurrent_cohorts: 3", "concurrent_cohorts: 1"))
    command = [sys.executable, "-m", "study", "run", str(file)]
    environment = os.environ | child_variables() | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)


def test_machines_join_die_come_back_and_lose_their_network(
    cluster: Cluster, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    (cluster.home("m1") / "dpcc-study/toys.yaml").write_text(TOYS, encoding="utf-8")
    with cluster.running("toys.yaml", log) as process:
        until(lambda: epochs_told(log) > 3, 240, lambda: log.read_text(encoding="utf-8"))
        assert cluster.busy() == dict.fromkeys(NAMES, 1)

        cluster.rack.add("m4")
        cluster.names.append("m4")
        cluster.wait_for([*NAMES, "m4"], 400)
        until(lambda: cluster.busy()["m4"] == 1, 120, cluster.busy)

        cluster.rack.kill("m3")
        cluster.names.remove("m3")
        cluster.wait_for(["m1", "m2", "m4"], 240)
        cluster.rack.add("m3")
        cluster.names.append("m3")
        cluster.wait_for(["m1", "m2", "m3", "m4"], 400)
        until(lambda: cluster.busy()["m3"] == 1, 120, cluster.busy)

        assert process.poll() is None, "the study must last until the network is cut"
        cluster.rack.cut("m2")
        time.sleep(60)
        cluster.rack.mend("m2")
        cluster.wait_for(["m1", "m2", "m3", "m4"], 400)
        assert process.wait(600) == 0, log.read_text(encoding="utf-8")[-3000:]
    records = read_toys(cluster)
    assert {record.state for record in records} == {TrialState.COMPLETE}
    assert len(records) == 28
    assert all([e.epoch for e in r.epochs] == list(range(1, 16)) for r in records)


def epochs_told(log: Path) -> int:
    """How many lines of a study's log tell of an epoch."""
    return len(re.findall(r"trial \d+: epoch", log.read_text(encoding="utf-8")))


def read_toys(cluster: Cluster) -> list[TrialRecord]:
    study = StudyFolder(cluster.home("m1") / "dpcc-study/studies/toys")
    return read_records(study, study.config())


def test_ray_down_leaves_no_process(cluster: Cluster) -> None:
    cluster.down()

    def left() -> dict[str, Any]:
        found = {machine.name: machine.processes() for machine in cluster.machines}
        rays = {
            name: [line for line in lines.values() if "ray" in line.lower()]
            for name, lines in found.items()
        }
        return {name: lines for name, lines in rays.items() if lines}

    until(lambda: not left(), 240, left)
