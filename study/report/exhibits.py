"""What a report shows side by side: objects, and what codecs make of them.

`study.codecs.gallery` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Reconstruction:
    """An object as a codec gave it back.

    Attributes:
        trial: whose codec.
        names: of the operating point, such as ("knee",).
        points: (m, 3) float32, original frame.
        error_percent: (m,) float32, of each point its distance to the nearest original one, in
            percent of the object's longest side.
        file_bytes: the length of its file.
        values: of this object, by metric: those that cost no time; NaN where one is not to be had.
    """

    trial: int
    names: tuple[str, ...]
    points: NDArray[np.float32]
    error_percent: NDArray[np.float32]
    file_bytes: int
    values: Mapping[str, float]

    @property
    def bpp(self) -> float:
        """The file, in bits per original point."""
        return self.values["bpp"]

    @property
    def d1_psnr_db(self) -> float:
        """With the object's longest side as the peak; infinite where nothing is lost."""
        return self.values["d1_psnr_db"]


@dataclass(frozen=True)
class Exhibit:
    """An object, and what each chosen codec makes of it.

    Attributes:
        name: as the data set calls it.
        points: (n, 3) float64, original frame.
        reconstructions: in the order of the front.
    """

    name: str
    points: NDArray[np.float64]
    reconstructions: tuple[Reconstruction, ...]


@dataclass(frozen=True)
class Gallery:
    """Everything that is shown side by side.

    Attributes:
        study: its name.
        split: which split the objects are of.
        exhibits: at least one, each with at least one reconstruction by the same codecs.
    """

    study: str
    split: str
    exhibits: tuple[Exhibit, ...]
