"""An octree codec whose decoder puts points where a network says; files of version 2.

Legend: v voxels, m decoded points.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from model.bag.distortion import Original
from model.container import CODEC_ID_BYTES
from model.errors import UncodableError, WrongCodecError
from model.octree.codec import OctreeCodec, OctreeOptions
from model.octree.frame import CODEC_ID_BYTES as SHORT_ID_BYTES
from model.octree.frame import Frame, Placing
from model.octree.general import general_tables
from model.octree.refusals import other_codec
from study.families.saved_module import save_module, weights_of
from study.families.voxel.counting import divided
from study.families.voxel.neighbourhoods import Neighbourhoods, seeds
from study.zoo.catalog import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from model.octree.coding import OctreeTables
    from model.octree.voxels import Voxels
    from model.partition import PartitionConfig
    from study.families.voxel.module import VoxelModule
    from study.families.voxel.network import VoxelNetwork

FARTHEST = 4.0
"""Edges that a decoded point may be away from its voxel: a network that says more has diverged."""


class NetworkPlacer:
    """A `model.octree.placing.Placer`."""

    def __init__(self, network: VoxelNetwork) -> None:
        """Take a trained network, on the CPU."""
        self._network = network

    @torch.no_grad()
    def place(
        self, voxels: NDArray[np.int64], counts: NDArray[np.int64], points: int, *, is_told: bool
    ) -> Iterator[NDArray[np.float64]]:
        """Yield points in edges, some voxels' at a time; as `model.octree.placing.between`."""
        around = Neighbourhoods.of(voxels, points, self._network.reach)
        if not is_told:
            counts = divided(int(counts.sum()), self._network.counting.shares(around))
        known = self._network.known(around)
        for voxel, told in seeds(voxels, counts):
            offsets = self._network(known, torch.from_numpy(voxel), torch.from_numpy(told))
            bounded = torch.nan_to_num(offsets).clamp(-FARTHEST, FARTHEST)
            yield voxels[voxel] + bounded.double().numpy()


class VoxelCodec(OctreeCodec):
    """Files tell occupied voxels; all else is in the network, which they name by id or number.

    Where the octree's own rule is nearer to a cloud, the file is one of `octree`.
    """

    def __init__(
        self,
        module: VoxelModule,
        partition: PartitionConfig,
        identity: Mapping[str, Any],
        options: OctreeOptions | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            module: on the CPU; its edge is what files are written with unless options say another.
            partition: how clouds are cut to train; files do not depend on it.
            identity: of the architecture, as JSON can hold it.
            options: of the octree; its tables are always the general ones.
        """
        own = options or OctreeOptions(edge_of_longest_side=module.edge_of_longest_side)
        super().__init__(dataclasses.replace(own, tables=general_tables()))
        self.module, self.partition, self.identity = module, partition, dict(identity)
        self.placer = NetworkPlacer(module.network)

    def with_options(self, options: OctreeOptions) -> VoxelCodec:
        """Return a codec with other options and the same network."""
        return VoxelCodec(self.module, self.partition, self.identity, options)

    @property
    def description(self) -> str:
        """What it is, in words."""
        return f"voxel codec {self.codec_id.hex()}"

    @property
    def parameters(self) -> int:
        """How many numbers training sets."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @cached_property
    def codec_id(self) -> bytes:
        """4 bytes that stand for all that decoding depends on: SHA-256's first."""
        digest = hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode())
        for name, tensor in self.weights().items():
            digest.update(f"{name} {tuple(tensor.shape)} ".encode())
            digest.update(tensor.numpy().astype("<f4").tobytes())
        return digest.digest()[:CODEC_ID_BYTES]

    @cached_property
    def number(self) -> int | None:
        """Its number among those that come with the package, if it is one."""
        return number_of(self.codec_id)

    def _names(self, placing: Placing) -> tuple[bytes | None, bool, int | None]:
        if placing != Placing.LEARNED:
            return None, True, None
        is_named = self.number is None
        return self.codec_id[:SHORT_ID_BYTES] if is_named else None, False, self.number

    def _tables_of(self, frame: Frame) -> OctreeTables | None:
        """Those of its own files, and of the octree's, of which it writes some."""
        if (frame.codec_id, frame.is_general, frame.network) != self._names(frame.placing):
            raise WrongCodecError(other_codec(frame, self.codec_id))
        return self.options.tables

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the parameters, by name, in order."""
        return weights_of(self.module)

    def _file(self, points: NDArray[np.float64], edge: float, voxels: Voxels) -> bytes:
        """Let the network place points, unless the octree's own rule is nearer to these."""
        otherwise = super()._file(points, edge, voxels)
        if self.options.placing != "auto":
            return otherwise
        if not all(bool(each.isfinite().all()) for each in self.module.parameters()):
            raise UncodableError("weights must be finite, and some are not: the network diverged")
        learned = self._write(len(points), edge, voxels, Placing.LEARNED)
        original = Original(points[np.lexsort(points.T)])
        return min(
            (learned, otherwise), key=lambda data: original.errors(self.decompress(data).points).d1
        )

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Write the codec as a new folder, whole or not at all.

        Raises:
            CodecError: there is something at `folder` already, or it cannot be written.
        """
        save_module(folder, self, self.weights(), about)
