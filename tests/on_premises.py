"""A cluster as `clusters/on-premises.yaml` has it, on machines of namespaces."""

from __future__ import annotations

import re
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tools.machines.rack import DESK, Machine, Rack

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).parent.parent
FILE = ROOT / "clusters/on-premises.yaml"
RAY = f"{sys.prefix}/bin/ray"
_BUSY = re.compile(r"ray::(?!IDLE)(?!Storeroom)(?!.*Agent)")

EPOCH_S = 4
"""How long an epoch of a toy trial takes on these machines."""


class Cluster:
    """Machines, the first of which is the head, and the desk that they are reached from."""

    def __init__(self, rack: Rack, names: Sequence[str]) -> None:
        self.rack, self.names = rack, list(names)
        self.desk = rack.add(DESK, read_only=[ROOT])
        for name in names:
            rack.add(name)
        home = self.home(DESK)
        (home / ".ssh").mkdir(mode=0o700)
        key = home / ".ssh/id_ed25519"
        key.write_bytes(rack.key.read_bytes())
        key.chmod(0o600)
        # The line of the file's head.
        self.desk.run(f"(umask 077; {RAY} get-auth-token --generate > /dev/null)")

    @property
    def head(self) -> Machine:
        return self.rack.machines[self.names[0]]

    @property
    def machines(self) -> list[Machine]:
        return [self.rack.machines[name] for name in self.names]

    def home(self, name: str) -> Path:
        """A machine's home, as this process sees it."""
        return self.rack.folder / "homes" / name

    def up(self, later: Sequence[str] = ()) -> None:
        """Do what a user does, with the machines that there are, and those that will come."""
        file = self.home(DESK) / "cluster.yaml"
        addresses = [self.rack.address(name) for name in (*self.names, *later)]
        file.write_text(yaml.safe_dump(fitted(addresses)), encoding="utf-8")
        self.desk.run(f"cd {ROOT} && {RAY} up --yes ~/cluster.yaml", timeout_s=900)

    def down(self) -> None:
        self.desk.run(f"cd {ROOT} && {RAY} down --yes ~/cluster.yaml", timeout_s=300)

    def alive(self) -> set[str]:
        """Addresses of the machines that Ray believes alive, as in Ray's own tests of clouds."""
        code = (
            "import ray; ray.init('auto', logging_level=50, log_to_driver=False); "
            "print(*(n['NodeManagerAddress'] for n in ray.nodes() if n['Alive']))"
        )
        return set(self.head.run(f'python -c "{code}"').stdout.split())

    def wait_for(self, names: Sequence[str], longest_s: float) -> None:
        """Wait until just these machines are alive."""
        wanted = {self.rack.address(name) for name in names}
        until(lambda: self.alive() == wanted, longest_s, lambda: f"{self.alive()}, not {wanted}")

    def busy(self) -> dict[str, int]:
        """How many workers are at work on each machine."""
        return {
            machine.name: sum(bool(_BUSY.match(line)) for line in machine.processes().values())
            for machine in self.machines
        }

    @contextmanager
    def running(self, file: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
        """A study that `ray exec` runs on the head, as it is told in the documentation."""
        study = f"cd dpcc-study && study run {file} --address auto | cat"
        with log.open("wb") as said:
            line = f"{RAY} exec ~/cluster.yaml '{study}'"
            process = self.desk.start(f"cd {ROOT} && {line}", said)
            try:
                yield process
            finally:
                process.kill()
                process.wait(30)


def fitted(addresses: Sequence[str]) -> dict[str, Any]:
    """The file as a user fills it in. There is no network: what is installed, the rack brings."""
    config: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    config["provider"] |= {"head_ip": addresses[0], "worker_ips": list(addresses[1:])}
    config["auth"]["ssh_user"] = "root"
    packages = f"{sys.prefix}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    there = packages.replace(sys.prefix, "~/environment")
    own, script = "~/environment/bin", 'sed "1s,.*,#!$HOME/environment/bin/python,"'
    config["setup_commands"] = [
        f"{sys.prefix}/bin/python -m venv --without-pip ~/environment",
        f"printf '%s\\n' {packages} $HOME/dpcc-study > {there}/project.pth",
        *(f"{script} {sys.prefix}/bin/{name} > {own}/{name}" for name in ("ray", "study")),
        f"chmod +x {own}/ray {own}/study",
        f"grep -q TOY ~/.profile 2>/dev/null || echo export TOY_EPOCH_S={EPOCH_S} >> ~/.profile",
        *(command for command in config["setup_commands"] if "uv" not in command),
    ]
    small = "ray start --num-cpus=1 --object-store-memory=150000000"
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        config[key] = [command.replace("ray start", small) for command in config[key]]
    return config


def until(is_so: Callable[[], bool], longest_s: float, told: Callable[[], object]) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it was not in time; with what there is instead.
    """
    end = time.monotonic() + longest_s
    while not is_so():
        assert time.monotonic() < end, told()
        time.sleep(2.0)
