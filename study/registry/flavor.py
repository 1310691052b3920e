"""The loader of registered codecs, which `mlflow.pyfunc.load_model` calls.

The artifact names this module and brings no code of its own. The module reads a codec's folder
(`model.codec_folder`): JSON and safetensors, checked to the last number.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model.codec_folder import load_codec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from model.codec_folder import AnyCodec


class RegisteredCodec:
    """A codec with the interface of MLflow's models: `predict` compresses.

    MLflow checks the input of `predict` against the model's one signature, which is of points.
    Decompressing takes bytes, so it is `get_raw_model().decompress(data)`.
    """

    def __init__(self, codec: AnyCodec) -> None:
        """Wrap a codec."""
        self._codec = codec

    def predict(
        self, points: NDArray[np.float64], params: Mapping[str, object] | None = None
    ) -> NDArray[np.uint8]:
        """Compress a cloud.

        Args:
            points: (n, 3) coordinates; (n, 6) with unit normals where the codec codes them.
            params: passed by MLflow, and ignored.

        Returns:
            The compressed file, byte by byte: `.tobytes()` is what `study compress` writes.

        Raises:
            CodecError: the cloud cannot be coded.
        """
        del params
        normals = points[:, 3:].astype(np.float32) if points.shape[1] > 3 else None
        data = self._codec.compress(points[:, :3], normals)
        return np.frombuffer(data, dtype=np.uint8)

    def get_raw_model(self) -> AnyCodec:
        """Return the codec itself, which also decompresses; MLflow passes it on by this name."""
        return self._codec


def _load_pyfunc(path: str) -> RegisteredCodec:
    """Read a codec's folder; MLflow looks for a function of this name.

    Raises:
        CodecError: a file is missing, damaged or exchanged.
    """
    return RegisteredCodec(load_codec(Path(path)).codec)
