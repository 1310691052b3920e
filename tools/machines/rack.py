"""The machines of a drill: made, reached, cut off, killed, and gone in the end."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import psutil

from tools.machines.inside import SWITCH

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

DESK = "desk"
"""The machine that the user sits at."""

_NETWORK = "10.77.0"
_PROGRAMS = (
    "ip",
    "nsenter",
    "pivot_root",
    "rsync",
    "setpriv",
    "ssh",
    "sshd",
    "ssh-keygen",
    "unshare",
)
_FIRST_ADDRESS = 10
_MOST = 200
_INSIDE = str(Path(__file__).with_name("inside.py"))
_START_S = 120.0

_SSHD = """\
Port 22
HostKey /run/machine/host_key
AuthorizedKeysFile /run/machine/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
PidFile none
MaxStartups 50
MaxSessions 50
"""


def why_not() -> str | None:
    """Return why no machines can be made here, in a sentence; None where they can."""
    if sys.platform != "linux":
        return "machines are made of Linux namespaces, and this is no Linux"
    if os.geteuid() != 0:
        return "machines of namespaces need root"
    if missing := [name for name in _PROGRAMS if _program(name) is None]:
        return f"machines of namespaces need the programs {', '.join(missing)}"
    spaces = ["--net", "--pid", "--mount", "--uts", "--ipc", "--fork"]
    bridge = ["ip", "link", "add", SWITCH, "type", "bridge"]
    probe = ["unshare", *spaces, *bridge]
    tried = subprocess.run(probe, capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"no namespaces with a bridge may be made here: {tried.stderr.strip()}"
    return None


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@dataclass(frozen=True)
class Machine:
    """One machine.

    Attributes:
        name: its host name.
        address: on the switch.
        pid: of its process 1, as this process sees it.
    """

    name: str
    address: str
    pid: int

    def command(self, line: str) -> list[str]:
        """Return what runs a line in a login shell on the machine, as on its console."""
        home = pwd.getpwuid(0).pw_dir
        spaces = ["--net", "--pid", "--mount", "--uts", "--ipc", "--root"]
        login = ["env", "-i", "--chdir=/", f"HOME={home}", "USER=root", "TERM=dumb", "LANG=C.UTF-8"]
        shell = ["bash", "--login", "-c", f"cd && {line}"]
        return ["nsenter", f"--target={self.pid}", *spaces, "--", *login, *shell]

    def run(
        self, line: str, *, timeout_s: float = 300.0, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a line there and wait.

        Raises:
            RuntimeError: it failed; with all that it said.
        """
        done = subprocess.run(
            self.command(line),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode:
            said = f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
            raise RuntimeError(f"{self.name}: {line}: {done.returncode}\n{said}")
        return done

    def start(self, line: str, log: IO[bytes]) -> subprocess.Popen[bytes]:
        """Run a line there without waiting; what it says goes into a file."""
        return subprocess.Popen(
            self.command(line), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )

    def processes(self) -> dict[int, str]:
        """Return the command lines of all its processes but the first, by their numbers here."""
        found = {}
        for process in psutil.Process(self.pid).children(recursive=True):
            with suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE:
                    found[process.pid] = " ".join(process.cmdline())
        return found


@dataclass
class Rack:
    """Some machines on one switch. Use it in a `with` block.

    Args:
        folder: holds their keys and homes.
        read_only: paths that every machine may read besides, at their places.
        shared: paths that all machines have in common and may write, as from a file server.
    """

    folder: Path
    read_only: Sequence[Path] = ()
    shared: Sequence[Path] = ()
    machines: dict[str, Machine] = field(default_factory=dict)
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._make_keys()
        # Whatever ends this process ends the rack, and with its process 1 all that runs there.
        rack = ["setpriv", "--pdeathsig=KILL", "unshare", "--net", "--pid", "--mount", "--fork"]
        process = _begun(
            [*rack, "--kill-child=KILL", sys.executable, "-SE", _INSIDE, "rack"], self._log
        )
        self._processes[""] = process
        (self._pid,) = (each.pid for each in psutil.Process(process.pid).children())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        for process in self._processes.values():
            process.wait(_START_S)
        self.machines.clear()

    @property
    def key(self) -> Path:
        """The private key that opens every machine."""
        return self.folder / "key"

    @property
    def _log(self) -> Path:
        return self.folder / "rack.log"

    def address(self, name: str) -> str:
        """Return the address that a machine has, or will have."""
        number = self._numbers.setdefault(name, len(self._numbers) + _FIRST_ADDRESS)
        assert number < _MOST
        return f"{_NETWORK}.{number}"

    def add(self, name: str, *, read_only: Iterable[Path] = ()) -> Machine:
        """Start a machine; one that was killed comes back with its home as it was.

        Args:
            name: its host name, of a few letters.
            read_only: paths that it alone may read besides.
        """
        address = self.address(name)
        self._ip("netns", "add", name)
        # A machine keeps its card: the others remember its number for a while.
        card = ["name", "eth0", "address", f"02:00:00:00:00:{self._numbers[name]:02x}"]
        cable = ["link", "add", f"to-{name}", "type", "veth", "peer", *card, "netns", name]
        self._ip(*cable)
        self._ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            self._ip("-n", name, "link", "set", device, "up")
        self._ip("link", "set", f"to-{name}", "master", SWITCH, "up")
        told = json.dumps(self._told(name, [*self.read_only, *read_only]))
        spaces = ["unshare", "--pid", "--mount", "--uts", "--ipc", "--fork", "--kill-child=KILL"]
        inside = ["ip", "netns", "exec", name, *spaces, sys.executable, "-SE", _INSIDE, name, told]
        process = _begun(self._in_rack(*inside), self._log)
        self._processes[name] = process
        self.machines[name] = Machine(name, address, _first(process.pid))
        self._note()
        return self.machines[name]

    def cut(self, name: str) -> None:
        """Pull its cable: nothing arrives any more, and nobody is told."""
        self._ip("link", "set", f"to-{name}", "nomaster")

    def mend(self, name: str) -> None:
        """Plug its cable in again."""
        self._ip("link", "set", f"to-{name}", "master", SWITCH)

    def kill(self, name: str) -> None:
        """Cut its power: it says no farewell, and all but its home is gone."""
        machine = self.machines.pop(name)
        self.cut(name)
        os.kill(machine.pid, signal.SIGKILL)
        self._processes.pop(name).wait(_START_S)
        self._ip("link", "del", f"to-{name}")
        self._ip("netns", "del", name)
        self._note()

    def _make_keys(self) -> None:
        for name in ("key", "host_key"):
            if not (self.folder / name).exists():
                make = [
                    "ssh-keygen",
                    "-q",
                    "-t",
                    "ed25519",
                    "-N",
                    "",
                    "-f",
                    str(self.folder / name),
                ]
                subprocess.run(make, check=True)
        (self.folder / "authorized_keys").write_bytes((self.folder / "key.pub").read_bytes())
        (self.folder / "sshd_config").write_text(_SSHD, encoding="utf-8")

    def _told(self, name: str, read_only: Sequence[Path]) -> dict[str, Any]:
        disk = self.folder / "homes" / name
        disk.mkdir(mode=0o700, parents=True, exist_ok=True)
        python = {Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve()}
        seen = [path for path in python if not path.is_relative_to("/usr")]
        hosts = [f"{self.address(each)} {each}" for each in {*self._numbers, name}]
        return {
            "name": name,
            "root": str(self.folder / "root"),
            "home": pwd.getpwuid(0).pw_dir,
            "disk": str(disk),
            "secrets": str(self.folder),
            "read_only": [str(path) for path in (*sorted(seen), *read_only)],
            "shared": [str(path) for path in self.shared],
            "hosts": "\n".join(["127.0.0.1 localhost", *hosts, ""]),
        }

    def _in_rack(self, *command: str) -> list[str]:
        spaces = ["--net", "--pid", "--mount"]
        return ["nsenter", f"--target={self._pid}", *spaces, "--", *command]

    def _ip(self, *words: str) -> None:
        subprocess.run(self._in_rack("ip", *words), check=True)

    def _note(self) -> None:
        """Write down what other processes need to reach the machines."""
        told = {each.name: [each.address, each.pid] for each in self.machines.values()}
        (self.folder / "machines.json").write_text(json.dumps(told), encoding="utf-8")


def _begun(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process 1, and wait until it says that it is ready."""
    with log.open("ab") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        )
    assert process.stdout is not None
    with process.stdout as said:
        is_ready = said.readline() == b"ready\n"
    if not is_ready:
        process.kill()
        raise RuntimeError(f"{' '.join(command)} must start, but did not: {log.read_text()}")
    return process


def _first(pid: int) -> int:
    """Return which descendant of a process is the first of the deepest process namespace."""
    found: list[tuple[int, int]] = []
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(OSError):
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
            numbers = next(line for line in status.splitlines() if line.startswith("NSpid")).split()
            if numbers[-1] == "1":
                found.append((len(numbers), process.pid))
    return max(found)[1]
