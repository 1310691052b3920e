"""What others wrote, as a terminal and MLflow's pages show it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.table import Table

from study.base.output import printable
from study.commands.main import _Console, main
from study.registry.card import card
from study.tracking.notes import code, plain
from study.tracking.trial_words import trial_note
from tests.study.tracked import facts, trial

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TITLE = "\x1b]0;owned\x07"
IMAGE = "<img src=x onerror=alert(1)>"


def test_what_commands_a_terminal_is_written_out() -> None:
    assert printable(f"a{TITLE}\x9b2J\r\u202eb") == r"a\x1b]0;owned\x07\x9b2J\r\u202eb"
    assert printable("\udcff") == r"\udcff"
    usual = "chair-01 λ=1e-4\té 椅子\n"
    assert printable(usual) == usual


def test_names_in_tables_and_lines_command_no_terminal() -> None:
    console = _Console(file=io.StringIO(), force_terminal=True, highlight=False, width=100)
    table = Table(f"head{TITLE}")
    table.add_row(f"cell{TITLE}")
    console.print(table)
    console.print(f"[bold]line{TITLE}\x1b[2J[/]", soft_wrap=True)
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert "\x1b]" not in said
    assert "\x1b[2J" not in said
    assert "\x07" not in said
    assert r"line\x1b]0;owned\x1b[2J" in said  # rich itself drops bells
    assert "\x1b[1m" in said  # Its own styles are commands.


def test_an_error_about_a_name_commands_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / f"a{TITLE}"
    folder.mkdir()
    (folder / "study.yaml").write_text("name: 3")
    assert main(["status", "--root", str(tmp_path)]) == 0
    assert main(["status", f"b{TITLE}", "--root", str(tmp_path)]) == 2
    assert main(["compress", "codec", f"{tmp_path}/\udcff{TITLE}.ply"]) == 2
    told = capsys.readouterr()
    for said in (told.out, told.err):
        assert r"\x1b]0;owned" in said
        assert "\x1b" not in said


def test_markup_in_an_outcome_is_text() -> None:
    outcome = f"failed: {IMAGE} [a](javascript:1) ![b](http://c) `d` | e"
    note = trial_note(replace(trial(3), outcome=outcome, params={f"a`{IMAGE}": IMAGE}), facts())
    assert "<img" not in note.replace(code(f"a`{IMAGE}"), "")
    assert "&lt;img src=x onerror=alert(1)&gt;" in note
    assert r"\[a\](javascript:1) \!\[b\](http://c) \`d\` \| e." in note
    assert plain("stopped after epoch 1: 3rd of 3") == "stopped after epoch 1: 3rd of 3"


def test_markup_in_a_card_is_text() -> None:
    about = {
        "trial": 1,
        "study": {"name": IMAGE},
        "epochs": 2,
        "metrics": {"bpp": 1.0},
        "metrics_are": "measured",
        "params": {"model.variant": IMAGE},
        "data": {
            "source": f"`{IMAGE}`",
            "content_hash": "a",
            "measured_on": "b",
            "psnr": "c",
            "recipe": {"source": "d", "normals": IMAGE},
        },
    }
    written = card(about, "dpcc-codec")
    source = code(f"`{IMAGE}`")
    assert source.count("`") == 2
    assert "<img" not in written.replace(source, "")
