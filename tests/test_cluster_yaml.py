"""cluster.yaml and clusters/on-premises.yaml are what Ray and AWS expect, and closed to strangers.

Nothing is started: Ray's own validation runs offline, and what it lets pass (anything below
``provider`` and ``node_config``) is compared with the keys that Ray reads and with the description
of AWS's interface that botocore carries.
"""

from __future__ import annotations

import copy
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.test_lock import locked_packages

ROOT = Path(__file__).parent.parent

# What Ray 2.60 reads below `provider` for AWS (autoscaler/_private/aws, autoscaler.py, updater.py).
# Its schema accepts any other key too, and then nobody reads it.
PROVIDER_KEYS = {
    "availability_zone",
    "aws_credentials",
    "cache_stopped_nodes",
    "cloudwatch",
    "disable_launch_config_check",
    "disable_node_updaters",
    "foreground_node_launch",
    "key_pair",
    "region",
    "security_group",
    "type",
    "use_external_head_ip",
    "use_internal_ips",
    "worker_liveness_check",
}

Config = dict[str, Any]


def loaded(name: str) -> Config:
    found = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.fixture
def cluster() -> Config:
    return loaded("cluster.yaml")


@pytest.fixture(params=["cluster.yaml", "clusters/on-premises.yaml"])
def either(request: pytest.FixtureRequest) -> Config:
    return loaded(request.param)


def machine_errors(node_config: Config) -> str:
    """What AWS would refuse in a request for this machine, or an empty string."""
    ec2 = botocore.session.get_session().get_service_model("ec2")
    shape = ec2.operation_model("RunInstances").input_shape
    report = ParamValidator().validate({**node_config, "MinCount": 1, "MaxCount": 1}, shape)
    errors: str = report.generate_report()
    if node_config["InstanceType"] not in shape.members["InstanceType"].enum:
        errors += f"\nno such instance type: {node_config['InstanceType']}"
    return errors


def start_commands(cluster: Config) -> list[str]:
    commands = cluster["head_start_ray_commands"] + cluster["worker_start_ray_commands"]
    return [command for command in commands if "ray start" in command]


def test_ray_accepts_it(either: Config) -> None:
    validate_config(prepare_config(copy.deepcopy(either)))


def test_every_provider_key_is_read(cluster: Config) -> None:
    assert set(cluster["provider"]) <= PROVIDER_KEYS
    assert cluster["provider"]["type"] == "aws"


def test_aws_knows_every_setting_of_the_machines(cluster: Config) -> None:
    for node_type in cluster["available_node_types"].values():
        assert machine_errors(node_type["node_config"]) == ""


def test_a_misspelt_machine_setting_is_found(cluster: Config) -> None:
    machine = cluster["available_node_types"]["gpu"]["node_config"]
    assert "InstanceMarketOption" in machine_errors(machine | {"InstanceMarketOption": {}})
    assert "no such instance type" in machine_errors(machine | {"InstanceType": "g6.xlrage"})


def test_the_head_steers_and_spot_gpus_work(cluster: Config) -> None:
    types = dict(cluster["available_node_types"])
    head = types.pop(cluster["head_node_type"])
    assert head["resources"] == {"CPU": 0}
    assert "InstanceMarketOptions" not in head["node_config"]
    assert types
    for worker in types.values():
        assert worker["min_workers"] < worker["max_workers"] <= cluster["max_workers"]
        assert worker["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
        assert re.match(r"[gp]\d", worker["node_config"]["InstanceType"]), "the families with GPUs"


def test_the_cluster_runs_this_ray_and_this_project(either: Config) -> None:
    folder = next(remote for remote, local in either["file_mounts"].items() if local == ".")
    installs = [command for command in either["setup_commands"] if "pip install" in command]
    uv, packages, project = (command.split(" install ")[1] for command in installs)
    locked = {each.requirement.name: each.version for each in locked_packages()}
    assert f"uv=={locked['uv']}" in uv
    assert locked["ray"] == version("ray")
    assert "--require-hashes" in packages
    assert packages.endswith(f"{folder}/tools/lock.txt")
    assert "--no-deps" in project
    assert project.endswith(f"--editable {folder}")
    assert not either["head_setup_commands"], "Ray's default would install into another Python"


PORTS = {
    *("--node-manager-port=6380", "--object-manager-port=6381", "--runtime-env-agent-port=6382"),
    *("--metrics-export-port=6383", "--dashboard-agent-listen-port=6384"),
    *("--dashboard-agent-grpc-port=6385", "--min-worker-port=10002", "--max-worker-port=10999"),
}


def test_only_loopback_and_the_token_lead_in(either: Config) -> None:
    head, worker = start_commands(either)
    assert "--dashboard-host=127.0.0.1" in head.split()
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml;" in head.split()
    assert "0.0.0.0" not in head + worker  # noqa: S104, the address to be found
    for command in (head, worker):
        before, _, options = command.partition("; start() { ray start ")
        assert {"RAY_AUTH_MODE=token", "RAY_enable_metrics_collection=0"} <= set(
            before.replace(";", "").split()
        )
        assert "unset OMP_NUM_THREADS" in before
        assert set(options.split()) >= PORTS
        assert command.endswith("; }; start || { ray stop; start; } || { ray stop; start; }")
    assert "~/.ray/auth_token" in either["file_mounts"]
    assert "chmod 600 ~/.ray/auth_token" in either["setup_commands"]
