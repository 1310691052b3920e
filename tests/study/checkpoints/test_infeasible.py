"""What is taken of a study in which every codec breaks a constraint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.commands.main import main
from study.storage.progress import read_records
from tests.study.finished import finished_study

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_what_breaks_a_constraint_is_exported_by_its_number_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strict = finished_study(tmp_path / "strict", extra="constraints: [bpp <= 0.01]\n")
    here = ["--root", str(strict.path.parent)]
    assert main(["export", "small", "--knee", str(tmp_path / "knee"), *here]) == 2
    assert "no trial keeps bpp <= 0.01; the nearest is trial " in capsys.readouterr().err
    assert main(["export", "small", "--trial", "0", str(tmp_path / "codec"), *here]) == 0
    bpp = next(each for each in read_records(strict, strict.config()) if each.number == 0).final[
        "bpp"
    ]
    told = f"; it breaks bpp <= 0.01 by {bpp - 0.01:.2g}, so it is not on the front"
    assert told in capsys.readouterr().out
