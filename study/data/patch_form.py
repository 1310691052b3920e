"""What a family of models has of a patch, besides its points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from model.partition import Partition, PartitionConfig
    from model.placement import Placement


class PatchForm(Protocol):
    """What is worked out of a patch once, when its data set is prepared, and how it is stored.

    Attributes:
        parameters: what decides it, as JSON can hold it, in the data set's name and manifest. Forms
            of equal parameters share data sets.
    """

    @property
    def parameters(self) -> Mapping[str, Any]:
        """See above."""

    def columns(self) -> Mapping[str, str]:
        """Return the lists of numbers that a row has, with the type of each."""

    def bytes_per_point(self) -> float:
        """Return about how many bytes they take, for each point of the patch."""

    def row(self, points: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """Return those of a patch of (n, 3) float32 points in [-1, 1]."""

    def read(
        self, points: NDArray[Any], normals: NDArray[Any] | None, row: Mapping[str, Any]
    ) -> Any:  # noqa: ANN401  the family's own
        """Return what batches are made of: a patch as it was stored, its lists flat.

        Args:
            points: (n, 3) float32.
            normals: (n, 3) float32, where the data set has them.
            row: all lists of the row, `half_width` of its cube and `centre`, scaled frame.
        """

    def overhead_bits(self, cut: Partition, placement: Placement, config: PartitionConfig) -> int:
        """Return the bits of a cloud's file that do not depend on what was learned."""
