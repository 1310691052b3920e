"""Who reaches a Ray that a study has started on its machine: its own processes, and nobody else."""

from __future__ import annotations

import errno
import ipaddress
import json
import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import psutil
import pytest
import ray

from study.base.errors import StudyError
from study.driver.cluster import ray_running
from study.driver.local_ray import _SOCKET_BYTES, private_folder
from study.driver.termination import INTERRUPTED, RAY_DIED, Stopped
from tests.study import toy
from tests.study.second_user import NOBODY, needs_second_user

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[3]
STRANGER = Path(__file__).with_name("stranger.py")
TOKEN = "RAY_AUTH_TOKEN"  # noqa: S105 (the name of a variable)


class Running(NamedTuple):
    """A study in training.

    Attributes:
        home: the user's.
        processes: the driver, and all that it has started.
        raylet: one of them, which has started the workers.
    """

    home: Path
    processes: Sequence[psutil.Process]
    raylet: psutil.Process

    @property
    def token(self) -> str:
        return str(self.raylet.environ()[TOKEN])

    @property
    def folder(self) -> Path:
        """Where sockets and logs of Ray are, as its processes are told."""
        (told,) = (word for word in self.raylet.cmdline() if word.startswith("--temp_dir="))
        return Path(told.partition("=")[2])

    def ports(self) -> list[int]:
        return [address.port for _, address in listening(self.processes)]


def listening(
    processes: Sequence[psutil.Process],
) -> list[tuple[psutil.Process, psutil._ntuples.addr]]:
    """Where processes wait for connections, or for packets from anywhere."""
    return [
        (process, connection.laddr)
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN or not connection.raddr
    ]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A `study run` whose workers are in an epoch, which lasts as long as the tests."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "toy.yaml").write_text(toy.TOY_STUDY)
    home = folder / "home"
    home.mkdir()
    others = {n: v for n, v in os.environ.items() if not n.startswith("RAY_")}
    with subprocess.Popen(
        [sys.executable, "-m", "study", "run", "toy.yaml"],
        cwd=folder,
        env={**others, "TOY_EPOCH_S": "300", "HOME": str(home), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as driver:
        try:
            latest_s = time.monotonic() + 100
            while not list(folder.glob("studies/toy/cohorts/*/opening-*/hung.txt")):
                assert driver.poll() is None
                assert time.monotonic() < latest_s, "no worker began"
                time.sleep(0.2)
            time.sleep(3)  # Ray's agents are ready later than its workers.
            itself = psutil.Process(driver.pid)
            processes = [itself, *itself.children(recursive=True)]
            (raylet,) = (each for each in processes if each.name() == "raylet")
            yield Running(home, processes, raylet)
        finally:
            driver.send_signal(signal.SIGINT)
            time.sleep(1)  # The second asks for more, once the first has been heard.
            for number in (signal.SIGINT, signal.SIGKILL):
                driver.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    driver.wait(30)


def test_every_port_of_a_study_is_on_loopback(running: Running) -> None:
    found = listening(running.processes)
    # The driver, the store of addresses, the node and its objects, a worker, and what sets up
    # environments: whoever finds fewer has not looked.
    assert len(found) >= 6
    for process, address in found:
        host = ipaddress.ip_address(address.ip)
        host = getattr(host, "ipv4_mapped", None) or host
        assert host.is_loopback, (process.name(), address)


def test_there_is_no_dashboard_and_its_agent_serves_nothing(running: Running) -> None:
    names = {process.name() for process in running.processes}
    assert any("DashboardAgent" in name for name in names), "the raylet ends without it"
    serving = {process.name() for process, _ in listening(running.processes)}
    assert not any("Dashboard" in name or "dashboard" in name for name in serving)


def test_only_the_user_can_enter_where_sockets_and_logs_are(running: Running) -> None:
    private = running.folder.parent
    found = private.lstat()
    assert stat.S_ISDIR(found.st_mode)
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (os.geteuid(), 0o700)
    sockets = {
        connection.laddr
        for process in running.processes
        for connection in process.net_connections("unix")
        if connection.laddr
    }
    assert sockets
    assert all(Path(str(path)).is_relative_to(private) for path in sockets)


def test_the_token_is_in_environments_alone(running: Running) -> None:
    assert len(bytes.fromhex(running.token)) == 32
    for process in running.processes:
        assert not any(running.token in word for word in process.cmdline())
    written = [p for top in (running.home, running.folder) for p in top.rglob("*") if p.is_file()]
    assert written
    assert not any(running.token.encode() in path.read_bytes() for path in written)
    # Where Ray would put one, readable by all.
    assert not (running.home / ".ray").exists()


def asked(running: Running, uid: int | None, token: str = "") -> dict[str, list[str]]:
    """What a stranger on this machine gets, by what was tried."""
    done = subprocess.run(
        [sys.executable, str(STRANGER)],
        input=json.dumps(
            {
                "uid": uid,
                "ports": running.ports(),
                "pids": [process.pid for process in running.processes],
                "folder": str(running.folder.parent),
            }
        ),
        env={**os.environ, "RAY_AUTH_MODE": "token", TOKEN: token or "0" * 64},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_without_the_token_no_port_answers(running: Running) -> None:
    found = asked(running, None)
    assert found["answers"] == []
    assert found["refusals"]
    # Those who have it are answered at the same addresses: the questions are the right ones.
    trusted = asked(running, None, running.token)
    assert len(trusted["answers"]) >= 5


@needs_second_user
def test_another_user_of_the_machine_gets_nothing(running: Running) -> None:
    found = asked(running, NOBODY)
    assert found["answers"] == []
    assert found["files"] == []
    assert found["refusals"]


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files that the user has named, with a short path."""
    with TemporaryDirectory() as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield Path(folder)


def test_what_ray_was_told_is_gone_with_it(monkeypatch: pytest.MonkeyPatch, chosen: Path) -> None:
    monkeypatch.setenv(TOKEN, "theirs")
    assert not ray.is_initialized()
    before = dict(os.environ)
    with ray_running(None):
        (folder,) = chosen.iterdir()
        assert (folder / "r").is_dir()
        told = {n: v for n, v in os.environ.items() if n in before or n.startswith("RAY_AUTH")}
        assert told == before
    assert list(chosen.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (StudyError("a sentence"), False),
        (KeyboardInterrupt(), False),
        (Stopped(INTERRUPTED), False),
        (Stopped(RAY_DIED), True),
        (ValueError("a mistake of ours"), True),
    ],
)
def test_logs_stay_where_ray_or_the_driver_failed(
    error: BaseException, *, stays: bool, chosen: Path
) -> None:
    with pytest.raises(type(error)), private_folder():
        raise error
    assert bool(list(chosen.iterdir())) is stays


def test_a_path_that_is_too_long_for_sockets_is_refused_where_the_user_chose_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    long = tmp_path / ("x" * _SOCKET_BYTES)
    long.mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(long))
    with (
        pytest.raises(StudyError, match=r"RAY_TMPDIR must be .* at most \d+ bytes"),
        private_folder(),
    ):
        pass
    monkeypatch.delenv("RAY_TMPDIR")
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with private_folder() as folder:
        assert folder.parent == Path("/tmp")  # noqa: S108 (where it must be)


def test_a_folder_that_cannot_be_made_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/dev/null/x")
    with pytest.raises(StudyError, match="none can be made in /dev/null/x"), private_folder():
        pass


def test_no_room_for_temporary_files_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Python finds it on full disks."""

    def full() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setattr("tempfile.gettempdir", full)
    with pytest.raises(StudyError, match="No usable temporary directory"), private_folder():
        pass
