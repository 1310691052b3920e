"""What runs as process 1 of the rack and of each machine: mounts, then sshd, then the burials.

It is started by its path, before the machine has a root of its own: the standard library alone.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

SWITCH = "switch"
"""The bridge in the rack's network namespace."""

_OWN = {
    "tmp": "mode=1777",
    "var": "mode=755",
    "run": "mode=755",
    "dev/shm": "mode=1777,size=2g",
}
"""What a machine has for itself, in memory: gone when it stops."""


def run(*command: str) -> None:
    """Run a command of the system's that must succeed."""
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def be_the_rack() -> None:
    """Hold the switch, and the names of the machines' networks."""
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "proc", "proc", "/proc")
    Path("/run/netns").mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "tmpfs", "/run/netns")
    run("ip", "link", "add", SWITCH, "type", "bridge")
    run("ip", "link", "set", SWITCH, "up")
    print("ready", flush=True)
    bury_for_ever()


def be_a_machine(told: dict[str, Any]) -> None:
    """Build a root of its own, start sshd there.

    Args:
        told: the ``name``, where its ``root`` is built, the ``disk`` that becomes its ``home``, the
            folder of its ``secrets`` (sshd's), lists of paths that it may read (``read_only``) or
            shares with others (``shared``), its ``hosts`` as text.
    """
    run("mount", "--make-rprivate", "/")
    root = Path(told["root"])
    root.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(root))
    _mount_system(root)
    _mount_own(root, Path(told["home"]), Path(told["disk"]))
    for path in told["read_only"]:
        _bind(Path(path), root, read_only=True)
    for path in told["shared"]:
        _bind(Path(path), root, read_only=False)
    hosts = root / "run/hosts"
    hosts.write_text(told["hosts"], encoding="utf-8")
    run("mount", "--bind", str(hosts), str(root / "etc/hosts"))
    _put_secrets(root / "run/machine", Path(told["secrets"]))
    _move_into(root)
    run("hostname", told["name"])
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    with Path("/run/sshd.log").open("wb") as log:
        subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", "/run/machine/sshd_config"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    while not _listens():
        time.sleep(0.01)
    print("ready", flush=True)
    bury_for_ever()


def _listens() -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", 22)):
        return True
    return False


def bury_for_ever() -> None:
    """Take note of dead children, as process 1 must for those that lost their parents."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            time.sleep(0.5)


def _mount_system(root: Path) -> None:
    """Give it the system's programs and settings, and the kernel's files."""
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "opt"):
        path = Path("/") / name
        if path.is_symlink():
            (root / name).symlink_to(path.readlink())
        elif path.is_dir():
            _bind(path, root, read_only=True)
    for name in ("proc", "sys", "dev", "mnt"):
        (root / name).mkdir()
    run("mount", "-t", "proc", "proc", str(root / "proc"))
    run("mount", "-t", "sysfs", "sysfs", str(root / "sys"))
    run("mount", "--bind", "/dev", str(root / "dev"))
    run("mount", "-t", "devpts", "-o", "newinstance,ptmxmode=0666", "devpts", f"{root}/dev/pts")


def _mount_own(root: Path, home: Path, disk: Path) -> None:
    """Give it what is its own; nobody finds anything of another machine's there."""
    for name, options in _OWN.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(root / name))
    there = root / home.relative_to("/")
    there.mkdir(parents=True)
    run("mount", "--bind", str(disk), str(there))
    for name in ("var/log", "var/tmp", "var/empty", "run/sshd", "run/lock"):
        (root / name).mkdir(parents=True)
    for name in ("var/log/lastlog", "var/log/wtmp", "run/utmp"):
        (root / name).touch()
    (root / "var/run").symlink_to("/run")
    (root / "var/tmp").chmod(0o1777)


def _bind(path: Path, root: Path, *, read_only: bool) -> None:
    there = root / path.relative_to("/")
    there.mkdir(parents=True, exist_ok=True)
    run("mount", "--bind", str(path), str(there))
    if read_only:
        run("mount", "-o", "remount,bind,ro", str(there))


def _put_secrets(folder: Path, secrets: Path) -> None:
    folder.mkdir(mode=0o700)
    for name in ("host_key", "authorized_keys", "sshd_config"):
        (folder / name).write_bytes((secrets / name).read_bytes())
        (folder / name).chmod(0o600)


def _move_into(root: Path) -> None:
    """Make a folder the root, and forget the old one: nothing of it can be reached any more."""
    os.chdir(root)
    run("pivot_root", ".", "mnt")
    os.chroot(".")
    os.chdir("/")
    run("umount", "--lazy", "/mnt")


if __name__ == "__main__":
    if sys.argv[1] == "rack":
        be_the_rack()
    else:
        be_a_machine(json.loads(sys.argv[2]))
