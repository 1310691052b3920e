"""A codec of whole clouds made of one that codes patches as bytes.

Cutting, the octree of the cubes and the header are those of every learned codec's file
(`model.container`). Each patch is the length of its bytes, and the bytes.
"""

from __future__ import annotations

import dataclasses
import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from model.coded_cloud import DecodedCloud
from model.container import Header, read_file, write_file
from model.cube_files import codec_id_of, cutting_of, require_end
from model.errors import DamagedFileError, UncodableError
from model.growth import FREE_POINTS, MOST_GROWTH, grown
from model.normals import check_shapes
from model.partition import PartitionConfig, partition
from model.placement import place
from model.rans import SymbolReader, SymbolWriter
from model.structure import read_leaves, write_leaves
from study.families.point_patches import LENGTH_BITS
from study.families.saved_module import save_module, weights_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from model.partition import Leaves
    from model.placement import Placement

    Progress = Callable[[int, int], None]


class PatchModule(Protocol):
    """What codes a patch."""

    def encode(self, points: Tensor) -> bytes:
        """Code (n, 3) points in [-1, 1] as fewer than 65,536 bytes."""

    def decode(self, data: bytes) -> Tensor:
        """Return (m, 3) points."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """PyTorch's."""

    def state_dict(self) -> dict[str, Any]:
        """PyTorch's."""


@dataclasses.dataclass(frozen=True)
class CodedPatches:
    """The symbols of a file.

    Attributes:
        header: of the file.
        leaves: patches and voxels.
        patches: the bytes of each patch.
    """

    header: Header
    leaves: Leaves
    patches: tuple[bytes, ...]


class PatchwiseCodec:
    """A trained module and how clouds are cut for it."""

    codes_normals = False

    def __init__(
        self,
        module: PatchModule,
        partition: PartitionConfig,
        identity: Mapping[str, Any],
        *,
        is_ours: bool,
    ) -> None:
        """Put the parts together.

        Args:
            module: on the CPU.
            partition: cuts a cloud; its `voxel_depth` is a default, files carry their own.
            identity: of the architecture, as JSON can hold it: its family, and its settings.
            is_ours: it was trained in this process: what it decodes to has no limit by default.
        """
        self.module, self.partition, self.identity = module, partition, dict(identity)
        self._is_ours = is_ours

    @cached_property
    def codec_id(self) -> bytes:
        """4 bytes that stand for all that decoding depends on: SHA-256's first."""
        arrays = {name: tensor.numpy() for name, tensor in self._weights().items()}
        return codec_id_of(self.identity, self.partition, arrays)

    @property
    def parameters(self) -> int:
        """How many numbers training sets."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    def compress(
        self,
        points: NDArray[np.float64],
        normals: NDArray[np.float32] | None = None,
        progress: Progress | None = None,
    ) -> bytes:
        """Code a cloud as a file.

        Raises:
            CodecError: no points, or such that cannot be coded.
            UncodableError: the module has diverged.
        """
        points = np.asarray(points, dtype=np.float64)
        check_shapes(points, normals, wanted=False)
        placement = place(points, "the cloud")
        cut = partition(placement.to_scaled(points), self.partition)
        writer = SymbolWriter()
        write_leaves(writer, cut.leaves, self.partition)
        for done, cube in enumerate(cut.patches, start=1):
            with torch.no_grad():
                data = self.module.encode(torch.from_numpy(cube.points.astype(np.float32)))
            if len(data) >= 1 << LENGTH_BITS:
                raise UncodableError(
                    f"a patch must be coded in fewer than {1 << LENGTH_BITS:,} bytes, and one "
                    f"takes {len(data):,}; cut smaller cubes (data.cube_size, data.max_points)"
                )
            writer.uniform(np.array([len(data)], np.uint16))
            writer.uniform(np.frombuffer(data, np.uint8))
            if progress is not None:
                progress(done, len(cut.patches))
        return write_file(self._header(len(points), placement), writer.finish())

    def _header(self, points: int, placement: Placement) -> Header:
        return Header(
            self.codec_id,
            points,
            placement,
            self.partition.voxel_depth,
            normals=False,
            float16_coordinates=False,
        )

    def decompress(
        self, data: bytes, progress: Progress | None = None, *, most_points: int | None = None
    ) -> DecodedCloud:
        """Decode a file.

        Raises:
            CodecError: not such a file, or it decodes to more than `most_points`; where none are
                given, to more than 16 times as many as the cloud had.
            WrongCodecError: another codec's.
            DamagedFileError: cut, changed or made up.
        """
        coded = self.read(data)
        leaves, most = coded.leaves, self._most(coded.header, most_points)
        centres, edges = leaves.centres(self.partition), self.partition.edges(leaves.level)
        parts, total = [], int((~leaves.is_patch).sum())
        numbered = zip(np.flatnonzero(leaves.is_patch), coded.patches, strict=True)
        for done, (leaf, patch) in enumerate(numbered, start=1):
            # The cube holds all true points: nothing moves away from them.
            inside = self._decoded(patch).clip(-1.0, 1.0)
            parts.append(inside * (edges[leaf] / 2) + centres[leaf])
            total += len(inside)
            if total > most:
                raise grown(coded.header.points, most_points)
            if progress is not None:
                progress(done, len(coded.patches))
        scaled = np.concatenate([*parts, centres[~leaves.is_patch]])
        original = coded.header.placement.to_original(scaled)
        return DecodedCloud(original, None, coded.header.points)

    def read(self, data: bytes) -> CodedPatches:
        """Read a file, and check all that can be checked before the module runs.

        Raises:
            CodecError: as :meth:`decompress`.
        """
        header, stream = read_file(data)
        own = self._header(header.points, header.placement)
        cutting = cutting_of(header, own, self.partition)
        reader = SymbolReader(stream)
        leaves = read_leaves(reader, cutting, header.points)
        patches = tuple(
            reader.uniform_bytes(int(reader.uniform_words(1)[0])).tobytes()
            for _ in range(int(leaves.is_patch.sum()))
        )
        require_end(reader, header.points, len(data))
        return CodedPatches(header, leaves, patches)

    def _most(self, header: Header, most_points: int | None) -> float:
        """Return how many points a file may decode to."""
        if most_points is not None:
            return most_points
        return math.inf if self._is_ours else max(FREE_POINTS, MOST_GROWTH * header.points)

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Write the codec as a new folder, whole or not at all.

        Raises:
            CodecError: there is something at `folder` already, or it cannot be written.
        """
        save_module(folder, self, self._weights(), about)

    def _decoded(self, data: bytes) -> NDArray[np.float64]:
        try:
            with torch.no_grad():
                points = self.module.decode(data).double().numpy()
        # The code is a family's and the bytes are anybody's: what it raises cannot be foreseen.
        except Exception as error:
            raise DamagedFileError(
                f"a patch must be decodable, and one is not ({error}); the file was made up or "
                "changed, get it anew"
            ) from error
        if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
            raise DamagedFileError(
                "a patch must decode to finite points, and one does not; the file was made up or "
                "changed, get it anew"
            )
        return points

    def _weights(self) -> dict[str, Tensor]:
        return weights_of(self.module)
