"""Another user of the machine, who tries everything at a study's processes.

Reads from the standard input what there is to try; writes what was answered, refused, and read.
Run as a process of its own, which becomes the other user once it has imported what it needs.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
from pathlib import Path

import grpc
from ray._private.authentication.authentication_utils import is_token_auth_enabled

WEB = (
    ("GET", "/"),
    ("GET", "/metrics"),
    ("GET", "/api/version"),
    ("GET", "/api/jobs/"),
    ("POST", "/api/jobs/"),
    ("POST", "/api/job_agent/jobs/"),
    ("POST", "/get_runtime_envs_info"),
    ("POST", "/get_or_create_runtime_env"),
)
CALLS = (
    "InternalKVGcsService/InternalKVKeys",
    "NodeInfoGcsService/GetAllNodeInfo",
    "JobInfoGcsService/GetAllJobInfo",
    "ActorInfoGcsService/GetAllActorInfo",
    "NodeManagerService/GetNodeStats",
    "ObjectManagerService/FreeObjects",
    "CoreWorkerService/GetCoreWorkerStats",
    "CoreWorkerService/PushTask",
    "ReporterService/GetTraceback",
)
LONGEST_S = 3.0


class Tried:
    """What came of it, each as words."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.refusals: list[str] = []
        self.files: list[str] = []

    def over_http(self, port: int) -> None:
        """Ask what Ray's servers know, and let them run a command."""
        body = json.dumps({"entrypoint": "id"})
        for method, path in WEB:
            there = http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST_S)
            try:
                there.request(method, path, body, {"Content-Type": "application/json"})
                status = there.getresponse().status
            except (OSError, http.client.HTTPException):
                continue  # It speaks something else.
            finally:
                there.close()
            said = f"{port} {method} {path}: {status}"
            (self.refusals if status in {401, 403} else self.answers).append(said)

    def over_grpc(self, port: int, metadata: list[tuple[str, str]]) -> None:
        """Call what Ray's processes offer each other."""
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            for call in CALLS:
                ask = channel.unary_unary(f"/ray.rpc.{call}")
                try:
                    ask(b"", timeout=LONGEST_S, metadata=metadata)
                except grpc.RpcError as error:
                    code = error.code()
                    if code in {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAVAILABLE}:
                        continue  # Another service listens here, or none that speaks gRPC.
                    said = f"{port} {call}: {code.name}"
                    refused = code == grpc.StatusCode.UNAUTHENTICATED
                    (self.refusals if refused else self.answers).append(said)
                else:
                    self.answers.append(f"{port} {call}: answered")

    def reading(self, path: Path) -> None:
        """Read a file, or list a folder."""
        try:
            found = os.listdir(path) if path.is_dir() else path.read_bytes()  # noqa: PTH208
        except OSError as error:
            self.refusals.append(f"{path}: {error.strerror}")
        else:
            self.files.append(f"{path}: {len(found)}")


def main() -> None:
    """Try everything."""
    given = json.load(sys.stdin)
    assert is_token_auth_enabled()
    tried = Tried()
    token = os.environ["RAY_AUTH_TOKEN"]
    if given["uid"] is not None:
        os.setgroups([])
        os.setresgid(given["uid"], given["uid"], given["uid"])
        os.setresuid(given["uid"], given["uid"], given["uid"])
        for pid in given["pids"]:
            tried.reading(Path(f"/proc/{pid}/environ"))
        folder = Path(given["folder"])
        tried.reading(folder)
        tried.reading(folder / "r")
    for port in given["ports"]:
        tried.over_http(port)
        tried.over_grpc(port, [("authorization", f"Bearer {token}")])
        tried.over_grpc(port, [])
    print(json.dumps(vars(tried)))  # noqa: T201 (its answer)


if __name__ == "__main__":
    main()
