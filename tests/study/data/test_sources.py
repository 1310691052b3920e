from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.data.sources import EmbeddedObjects, open_source
from study.errors import StudyError

if TYPE_CHECKING:
    from pathlib import Path


def test_the_embedded_objects_are_whole() -> None:
    source = open_source("embedded")
    assert isinstance(source, EmbeddedObjects)
    assert len(source.point_counts) == 143
    assert set(source.point_counts.values()) == {8192}
    for name in source.point_counts:
        points = source.read(name)
        assert points.shape == (8192, 3)
        assert np.ptp(points, axis=0).max() == 4095.0


def test_a_folder_is_opened_as_ply_files(ply_folder: Path) -> None:
    assert len(open_source(str(ply_folder)).point_counts) == 6


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("{root}/my bxoes", "did you mean {root}/my boxes?"),
        ("{root}/my bxoes/deeper/still", "did you mean {root}/my boxes?"),
        ("embeded", "did you mean embedded?"),
        ("{root}/qqqqqqqqq", "{root} exists and holds no folder of a similar name"),
    ],
)
def test_a_missing_folder_comes_with_the_nearest_advice(
    ply_folder: Path, given: str, advice: str
) -> None:
    root = ply_folder.parent
    with pytest.raises(StudyError) as caught:
        open_source(given.format(root=root))
    assert "does not exist" in str(caught.value)
    assert advice.format(root=root) in str(caught.value)


def test_a_path_that_the_system_refuses_is_a_sentence() -> None:
    with pytest.raises(
        StudyError, match=r"cannot be opened \(File name too long\); check the path"
    ):
        open_source("a" * 5000)


def test_a_file_is_not_a_folder(ply_folder: Path) -> None:
    with pytest.raises(StudyError, match=r"box0\.ply' is a file; give the folder that holds it"):
        open_source(str(ply_folder / "box0.ply"))
