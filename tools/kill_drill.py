"""The kill drill: one study, killed again and again, must end as if nothing had happened.

    python -m tools.kill_drill                    30 kills, some ten minutes
    python -m tools.kill_drill --kills 100 --sampler qmc --seed 3

A study of the real codec on little data is begun, its runs shown in a real MLflow server. At random
moments its driver, one of its workers or the server is killed with SIGKILL; the server is started
again some seconds later, and the study is resumed as a user would do it. Once it has ended, its
records, MLflow's and the folders of its codecs are compared with each other, with what the workers
noted of every epoch that they trained, and with a study of the same seed that nobody disturbed.
The exit code is 0 if all is as it must be.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, NamedTuple

import psutil

from study.base.children import child_variables, module_command
from tools import drill_checks, drilled
from tools.drill_server import Server, free_port

NAME = "drill"
_LONGEST_S = 900.0
"""How long a study may go on after the last kill before it counts as hanging."""
_TOO_BUSY = "Ray must start on this machine"
"""What a driver says if Ray could not start. A user tries again, and so does the drill."""
_MOST_TOO_BUSY = 10
_ALL_DONE = "nothing is left to do"
"""What a driver says if the one before it was killed after the last trial."""
_WORKER = re.compile(r"ray::(?!IDLE)(?!.*Agent)")
"""Titles of Ray's busy workers. Killing an idle one disturbs no study, only Ray's own start."""

_STUDY = """\
name: drill
family: {family}
seed: {seed}
root: {root}
data_root: {data}
data: {{max_objects: 12, points_per_object: 700, cube_size: 100.0}}
model: {{k: 8, hidden_dim: 16}}
training: {{epochs: {epochs}, learning_rate: 5e-3}}
search: {{trials: {trials}, sampler: {sampler}}}
halting: {{rule: none}}
resources: {{cohort: {cohort}, concurrent_cohorts: 2, gpus_per_cohort: 0}}
tracking: {{uri: {tracking}}}
objectives:
  - {{metric: bpp, direction: minimize, reference: 3.0}}
  - {{metric: d1_psnr_db, direction: maximize, reference: 10.0}}
"""


class Failed(Exception):  # noqa: N818 (it is the drill that has)
    """The study did what it must not do: a sentence."""


class Kill(NamedTuple):
    """One kill, for the table at the end."""

    after_s: float
    what: str
    pid: int


class Driver:
    """The study's driver, begun or resumed as a user would do it.

    Args:
        folder: the drill's; the study's is below it.
        epoch_s: least seconds of an epoch.
    """

    def __init__(self, folder: Path, epoch_s: float) -> None:
        self._folder = folder
        self._env = {
            **os.environ,
            **child_variables(),
            "OMP_NUM_THREADS": "1",
            drilled.LOG: str(folder / "epochs.jsonl"),
            drilled.EPOCH_S: str(epoch_s),
        }
        self._log: IO[bytes] = (folder / "driver.log").open("ab")
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = self.too_busy = 0
        self._bereaved: list[tuple[float, list[psutil.Process]]] = []
        self.orphans_s = 0.0

    def start(self) -> None:
        """Begin the study, or resume it once there is one."""
        began = (self._folder / "studies" / NAME / "study.yaml").exists()
        root = self._folder / "studies"
        how = (
            ["resume", NAME, "--root", str(root)]
            if began
            else ["run", str(self._folder / "drill.yaml"), "--resume"]
        )
        self._log.write(f"\n--- study {' '.join(how)}\n".encode())
        self._log.flush()
        self.process = subprocess.Popen(
            module_command("tools.drilled", *how),
            cwd=self._folder,
            env=self._env,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self.starts += 1

    @property
    def pid(self) -> int:
        """The process that drives the study now."""
        assert self.process is not None
        return self.process.pid

    def ended(self) -> bool:
        """Tell whether the study has come to its end.

        Raises:
            Failed: the driver has ended with an error.
        """
        assert self.process is not None
        code = self.process.poll()
        if code and _TOO_BUSY in self.tail() and self.too_busy < _MOST_TOO_BUSY:
            self.too_busy += 1
            self.start()
        elif code and _ALL_DONE in self.tail():
            return True
        elif code:
            raise Failed(f"driver {self.starts} ended with exit code {code}:\n{self.tail()}")
        return code == 0

    def workers(self) -> list[psutil.Process]:
        """Return those workers of the driver's Ray that have a cohort or are about to get one."""
        return [one for one in self._family() if _WORKER.match(_title(one))]

    def kill(self) -> int:
        """Kill the driver, and none of the processes that it has started."""
        assert self.process is not None
        family = self._family()
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait()
        self._bereaved.append((time.monotonic(), family))
        return self.pid

    def orphans(self) -> list[psutil.Process]:
        """Return the living processes of killed drivers, and note how long they have lived on."""
        left, now = [], time.monotonic()
        for since, family in self._bereaved:
            family[:] = [one for one in family if one.is_running() and not _is_dead(one)]
            if family:
                self.orphans_s = max(self.orphans_s, now - since)
            left += family
        return left

    def end(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self.process is not None and self.process.poll() is None:
            family = self._family()
            self.kill()
            psutil.wait_procs(family, timeout=30)
        for one in self.orphans():
            one.kill()
        self._log.close()

    def tail(self) -> str:
        """Return the last lines that a driver has printed."""
        text = (self._folder / "driver.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-15:])

    def _family(self) -> list[psutil.Process]:
        try:
            family: list[psutil.Process] = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return family


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()).strip("\0 ")
    except psutil.Error:
        return ""


def _is_dead(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


class Drill:
    """Kills at random, and lets the study go on."""

    def __init__(self, driver: Driver, server: Server, options: argparse.Namespace) -> None:
        self._driver, self._server, self._options = driver, server, options
        self._random = random.Random(options.seed)
        self._began_s = time.monotonic()
        self.kills: list[Kill] = []

    def run(self) -> None:
        """Kill as often as asked, then let the study end.

        Raises:
            Failed: the study ended too early, with an error, or not at all.
        """
        self._driver.start()
        while len(self.kills) < self._options.kills:
            self._wait(self._random.uniform(*self._options.pause))
            kill = self._kill(self._random.choices(["driver", "worker", "server"], [4, 4, 2])[0])
            self.kills.append(kill)
            print(
                f"kill {len(self.kills):3d}  {kill.after_s:6.1f} s  {kill.what:6s} {kill.pid}",
                flush=True,
            )
        deadline = time.monotonic() + _LONGEST_S
        while not self._driver.ended():
            if time.monotonic() > deadline:
                raise Failed(f"the study hangs after the last kill:\n{self._driver.tail()}")
            self._tick()

    def _kill(self, what: str) -> Kill:
        pid = {"driver": self._kill_driver, "worker": self._kill_worker}.get(
            what, self._kill_server
        )()
        return Kill(time.monotonic() - self._began_s, what, pid)

    def _kill_driver(self) -> int:
        pid = self._driver.kill()
        self._driver.start()
        return pid

    def _kill_worker(self) -> int:
        while not (there := self._driver.workers()):
            self._wait(0.2)
        victim = self._random.choice(sorted(there, key=lambda one: one.pid))
        victim.kill()
        return int(victim.pid)

    def _kill_server(self) -> int:
        while not self._server.is_running:
            self._wait(0.2)
        return self._server.kill(again_in_s=self._random.uniform(2, 6))

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._driver.ended():
                raise Failed(
                    f"the study ended after {len(self.kills)} of {self._options.kills} kills; "
                    "give it more with --trials or --epochs"
                )
            self._tick()

    def _tick(self) -> None:
        self._driver.orphans()
        self._server.look()
        time.sleep(0.1)


def main() -> int:
    """Run the drill, and say what came of it."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Else what was started lives on.
    folder = options.folder or Path(tempfile.mkdtemp(prefix="kill-drill-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"folder {folder}, seed {options.seed}, sampler {options.sampler}", flush=True)
    server = Server(folder, free_port())
    _write_study(folder, options, server.uri)
    calm = folder / "undisturbed"
    calm.mkdir()
    _write_study(calm, options, "null", data=folder / "data")
    driver, undisturbed = (
        Driver(folder, options.epoch_s),
        Driver(calm, 0.0),
    )
    drill = Drill(driver, server, options)
    try:
        server.start()
        drill.run()
        server.wait_until_up()
        print("all kills done, the study has ended; now the same undisturbed", flush=True)
        undisturbed.start()
        while not undisturbed.ended():
            time.sleep(0.2)
        findings = drill_checks.check(folder, calm, NAME)
    except (Failed, TimeoutError) as failed:
        print(failed)
        return 1
    finally:
        driver.end()
        undisturbed.end()
        server.end()
    findings += drill_checks.orphans(driver.orphans_s)
    told = {what: sum(kill.what == what for kill in drill.kills) for what in Server.KINDS}
    print(f"{len(drill.kills)} kills: {told}; {driver.starts} drivers")
    drill_checks.show(findings)
    is_well = all(finding.is_well for finding in findings)
    if is_well and options.folder is None:
        shutil.rmtree(folder)
    return 0 if is_well else 1


def _write_study(
    folder: Path, options: argparse.Namespace, tracking: str, data: Path | None = None
) -> None:
    text = _STUDY.format(
        root=folder / "studies",
        data=data or folder / "data",
        tracking=tracking,
        **{
            name: getattr(options, name)
            for name in ("family", "sampler", "trials", "epochs", "cohort", "seed")
        },
    )
    (folder / "drill.yaml").write_text(text, encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.kill_drill", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--sampler", choices=["random", "qmc"], default="random")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument(
        "--epoch-s", type=float, default=1.0, help="seconds that an epoch lasts at least"
    )
    parser.add_argument("--cohort", type=int, default=2, help="trials that train together")
    parser.add_argument("--seed", type=int, default=0, help="of the study, and of the kills")
    parser.add_argument(
        "--pause", type=float, nargs=2, default=(3.0, 25.0), help="seconds between two kills"
    )
    parser.add_argument("--folder", type=Path, help="new; kept (default: a temporary one)")
    parser.add_argument("--family", default="dpcc", help="what is trained, as in a study file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
