"""The command line: see `tools.machines`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from tools.machines.rack import DESK, Machine, Rack, why_not

_ROOT = Path(__file__).parents[2]


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tools.machines")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start machines m1, m2, ... and the desk, until Ctrl-C")
    up.add_argument("folder", type=Path)
    up.add_argument("--count", type=int, default=3)
    up.add_argument("--shared", type=Path, nargs="*", default=[], help="folders in common")
    for name, what in _ORDERS.items():
        order = commands.add_parser(name, help=what)
        order.add_argument("folder", type=Path)
        order.add_argument("machine")
    shell = commands.add_parser("shell", help="a login shell, or one line in it")
    shell.add_argument("folder", type=Path)
    shell.add_argument("machine")
    shell.add_argument("line", nargs="?", default="exec bash --login -i")
    given = parser.parse_args()
    if given.command == "up":
        return _up(given.folder, given.count, given.shared)
    if given.command == "shell":
        return _shell(given.folder, given.machine, given.line)
    (given.folder / "orders").mkdir(exist_ok=True)
    (given.folder / "orders" / f"{given.command}-{given.machine}").touch()
    return 0


_ORDERS = {
    "cut": "pull its cable",
    "mend": "plug its cable in again",
    "kill": "cut its power",
    "add": "start it anew, or one more",
}


def _up(folder: Path, count: int, shared: list[Path]) -> int:
    if (why := why_not()) is not None:
        print(why, file=sys.stderr)
        return 2
    with Rack(folder.absolute(), shared=[path.absolute() for path in shared]) as rack:
        rack.add(DESK, read_only=[_ROOT])
        for number in range(1, count + 1):
            rack.add(f"m{number}")
        for machine in rack.machines.values():
            print(f"{machine.name:6} {machine.address}", flush=True)
        print(f"their key: {rack.key}", flush=True)
        orders = folder / "orders"
        with suppress(KeyboardInterrupt):
            while True:
                for order in sorted(orders.glob("*-*")):
                    what, _, name = order.name.partition("-")
                    getattr(rack, what)(name)
                    order.unlink()
                time.sleep(0.2)
    return 0


def _shell(folder: Path, name: str, line: str) -> int:
    address, pid = json.loads((folder / "machines.json").read_text(encoding="utf-8"))[name]
    command = Machine(name, address, pid).command(line)
    os.execvp(command[0], command)  # noqa: S606 (no shell is wanted between)


if __name__ == "__main__":
    sys.exit(main())
