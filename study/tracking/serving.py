"""The process of the server: MLflow's application behind the gate, for `study.tracking.server`.

    python -P -m study.tracking.serving PORT

with `server_environment`. Nothing else is on the command line: all users of a machine can read it.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import uvicorn
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.server.fastapi_app import app
from mlflow.server.handlers import initialize_backend_stores
from mlflow.store.artifact.artifact_repository_registry import get_registered_artifact_repositories
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from study.tracking.gate import Gate
from study.tracking.server import ARTIFACTS, BACKEND, HOST, SECRET

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow.store.artifact.artifact_repo import ArtifactRepository

_END_S = 5
"""How long what is being answered may take when the server is told to end."""


def main() -> None:
    """Serve until told to end."""
    port = int(sys.argv[1])
    secret = os.environ.pop(SECRET)
    uri, root = os.environ[BACKEND], os.environ[ARTIFACTS]
    confine_artifacts(url2pathname(urlsplit(root).path))
    initialize_backend_stores(uri, uri, root)
    uvicorn.run(
        Gate(app, secret, port),
        host=HOST,
        port=port,
        # It would hold the link, and the secret with it.
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_END_S,
    )


def confine_artifacts(root: str) -> None:
    """Let MLflow reach files below a folder only, wherever its database says that files are.

    MLflow sees to it that a path stays within its run's artifacts. Where those are, its database
    says, or a symbolic link: any folder, or another server.

    Args:
        root: the folder's path. It may be a symbolic link itself.
    """
    kinds: dict[str, Any] = get_registered_artifact_repositories()
    below = _below(root)
    # The first two lead to one of the others.
    kept = {"models": kinds["models"], "runs": kinds["runs"], "file": below, "": below}
    kinds.clear()
    kinds.update(kept)


def _below(root: str) -> Callable[..., ArtifactRepository]:
    real_root = os.path.realpath(root)

    def opened(
        artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> ArtifactRepository:
        found = LocalArtifactRepository(artifact_uri, tracking_uri, registry_uri)
        real = os.path.realpath(found.artifact_dir)
        if os.path.commonpath([real, real_root]) != real_root:
            raise MlflowException(
                f"`study ui` shows files below {real_root} only, and these are at {real}; open "
                "them there, or start it with that --root",
                PERMISSION_DENIED,
            )
        return found

    return opened


if __name__ == "__main__":
    main()
