"""Machines made of namespaces: what each has for itself, and what ends with it."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tools.machines.rack import Machine, Rack, why_not

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rack]:
    with Rack(tmp_path_factory.mktemp("rack")) as rack:
        for name in ("m1", "m2"):
            rack.add(name)
        yield rack


def answers(rack: Rack, name: str) -> bool:
    """Whether sshd of a machine answers the other one."""
    line = f"timeout 2 bash -c 'exec 3<>/dev/tcp/{rack.address(name)}/22 && head -c 3 <&3'"
    return rack.machines["m1"].run(line, check=False).stdout == "SSH"


def test_a_machine_sees_itself_alone(rack: Rack) -> None:
    one, two = rack.machines["m1"], rack.machines["m2"]
    assert one.run("hostname").stdout == "m1\n"
    assert one.run("hostname -I").stdout.split() == [one.address]
    for folder in ("~", "/tmp", "/dev/shm", "/var/tmp"):  # noqa: S108
        one.run(f"touch {folder}/mine")
        assert two.run(f"ls {folder}").stdout == ""
    numbers = two.run("ls /proc").stdout.split()
    assert len([each for each in numbers if each.isdecimal()]) < 10
    assert not one.run(f"ls {Path(__file__).parent}", check=False).stdout
    for folder in ("/etc", "/usr", str(Path(os.__file__).parent)):
        assert one.run(f"touch {folder}/mine", check=False).returncode == 1


def test_a_cable_is_pulled_and_plugged_in_again(rack: Rack) -> None:
    assert answers(rack, "m2")
    rack.cut("m2")
    assert not answers(rack, "m2")
    rack.mend("m2")
    assert answers(rack, "m2")


def test_a_killed_machine_is_gone_and_comes_back_with_its_home(rack: Rack) -> None:
    before = rack.machines["m2"]
    before.run("touch ~/kept /tmp/lost && (sleep 1000 > /dev/null 2>&1 &)")
    processes = [before.pid, *before.processes()]
    assert len(processes) > 2
    rack.kill("m2")
    assert not any(is_alive(pid) for pid in processes)
    assert not answers(rack, "m2")
    after = rack.add("m2")
    assert answers(rack, "m2")
    assert "kept" in after.run("ls ~").stdout
    assert after.run("ls /tmp").stdout == ""


def test_nothing_is_left_in_the_end_and_nothing_is_seen_outside(tmp_path: Path) -> None:
    interfaces = socket.if_nameindex()
    with Rack(tmp_path) as rack:
        machine: Machine = rack.add("alone")
        assert socket.if_nameindex() == interfaces
        processes = [machine.pid, *machine.processes()]
    assert not any(is_alive(pid) for pid in processes)
    assert not (tmp_path / "root").exists() or not list((tmp_path / "root").iterdir())


def is_alive(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False
