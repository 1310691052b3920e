"""Study files that nobody would write: each is refused in a sentence or two, or means something."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from study.base.errors import StudyError
from study.commands.main import main
from study.commands.status import show_studies
from study.storage.folder import all_studies
from study.storage.study_file import load_study
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from pathlib import Path

DEEP = 100_000

HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "spaces": b"  \n\n",
    "nul bytes": STUDY.encode() + b"\0" * 9,
    "only nul bytes": bytes(100),
    "not utf-8": STUDY.encode() + b"data_root: '\xff\xfe'\n",
    "utf-16": STUDY.encode("utf-16"),
    "deep lists": STUDY.encode() + b"x: " + b"[" * DEEP,
    "deep tables": STUDY.encode() + b"x: " + b"{a: " * DEEP,
    "deep blocks": STUDY.encode() + b"x:\n" + b"".join(b" " * n + b"a:\n" for n in range(1, 300)),
    "deep sequences": STUDY.encode() + b"x:\n" + b"- " * 5000 + b"1",
    "a huge number": STUDY.encode() + b"seed: " + b"9" * 5000,
    "a large number": STUDY.encode() + b"seed: 99999999999999999999999999",
    "a huge count": STUDY.encode() + b"data: {max_objects: " + b"9" * 400 + b"}",
    "huge slices": STUDY.replace(
        "trials: 3,", "trials: 1000000000000, stratify: {loss.bpp_lambda: 1000000000},"
    ).encode(),
    "a huge exponent": STUDY.encode() + b"loss: {density_coe: 1e999999}",
    "not a number": STUDY.encode() + b"loss: {density_coe: .nan}",
    "not a number among options": STUDY.replace(
        "trials: 3,", "trials: 3, sampler_options: {gamma: .nan},"
    ).encode(),
    "a range of no numbers": STUDY.replace(
        "trials: 3,", "trials: 3, space: {loss.bpp_lambda: {low: .nan, high: .inf}},"
    ).encode(),
    "a range as wide as can be": STUDY.replace(
        "trials: 3,", "trials: 3, space: {loss.bpp_lambda: {low: -1e308, high: 1e308}},"
    ).encode(),
    "choices of no numbers": STUDY.replace(
        "trials: 3,", "trials: 3, space: {loss.bpp_lambda: {choices: [.nan, .inf]}},"
    ).encode(),
    "a huge fraction": STUDY.encode() + b"model: {downsample_rate: ['1/1" + b"0" * 5000 + b"']}",
    "a huge fraction in short": STUDY.encode() + b"model: {downsample_rate: ['1e99999999/3']}",
    "thousands of stages": STUDY.encode()
    + b"model: {downsample_rate: [%s], max_upsample_num: [%s]}"
    % (b",".join([b"0.5"] * 4000), b",".join([b"1"] * 4000)),
    "lists for tables": b"name: [toy]\ndata: []\nmodel: 3\nsearch: yes\nobjectives: {}\n",
    "a list": b"- 1\n- 2\n",
    "a word": b"toy",
    "two documents": STUDY.encode() + b"\n---\nname: other\n",
    "a key twice": STUDY.encode() + b"name: other\n",
    "a list as a key": STUDY.encode() + b"? [1, 2]\n: 3\n",
    "an alias of itself": STUDY.encode() + b"data_root: &a [*a]\n",
    "a table in itself": STUDY.encode() + b"model: &a {k: *a}\n",
    "an alias of nothing": STUDY.encode() + b"data_root: *nowhere\n",
    "a merge": STUDY.encode() + b"model: {!!merge <<: 3}\n",
    "a merge of itself": STUDY.encode() + b"model: &a {!!merge <<: *a}\n",
    "a python object": STUDY.encode() + b"root: !!python/object/apply:os.system ['touch ran']\n",
    "a python name": STUDY.encode() + b"root: !!python/name:os.system\n",
    "an unknown tag": STUDY.encode() + b"root: !mine 3\n",
    "a wrong number": STUDY.encode() + b"seed: !!int soon\n",
    "a wrong float": STUDY.encode() + b"seed: !!float soon\n",
    "a wrong truth": STUDY.encode() + b"seed: !!bool soon\n",
    "a wrong time": STUDY.encode() + b"seed: !!timestamp soon\n",
    "a time of no day": STUDY.encode() + b"seed: !!timestamp 2026-99-99\n",
    "wrong bytes": STUDY.encode() + b"root: !!binary \xc3\xa9\n",
    "bytes": STUDY.encode() + b"root: !!binary aGk=\n",
    "a set": STUDY.encode() + b"root: !!set {a, b}\n",
    "an ordered map": STUDY.encode() + b"root: !!omap 3\n",
    "pairs": STUDY.encode() + b"root: !!pairs [3]\n",
    "a null key": STUDY.encode() + b"~: 3\n",
    "a truth as a key": STUDY.encode() + b"true: 3\n",
    "half a character": STUDY.encode() + b'data_root: "\\ud800"\n',
    "half a character as a key": STUDY.encode() + b'"\\udc80": 3\n',
    "an escape in a name": STUDY.encode() + b'"\\e[2J": 3\n',
    "an escape in a value": STUDY.replace("name: toy", 'name: "a\\e]0;title\\a"').encode(),
    "a nul in a path": STUDY.encode() + b'root: "a\\0b"\n',
    "a long path": STUDY.encode() + b"root: '" + b"r" * 100_000 + b"'\n",
    "a long key": STUDY.encode() + b"? " + b"k" * 100_000 + b"\n: 1\n",
    "a long name": STUDY.replace("name: toy", "name: " + "n" * 100_000).encode(),
    "many keys": STUDY.encode() + b"".join(b"k%d: 1\n" % number for number in range(1000)),
    "a directive": b"%YAML 9.9\n---\n" + STUDY.encode(),
    "an open quote": STUDY.encode() + b"root: 'a\n",
    "a reserved character": STUDY.encode() + b"root: @a\n",
    "too many bytes": STUDY.encode() + b"#" * (1 << 19),
}
VALID = {"choices of no numbers", "a range as wide as can be", "a long path"}
"""Those that a check further on refuses, or that harm nobody."""


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_study_file_is_refused_in_a_sentence(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "study.yaml"
    file.write_bytes(HOSTILE[what])
    if what in VALID:
        with suppress(StudyError):
            load_study(file)
        return
    with pytest.raises(StudyError) as refused:
        load_study(file)
    assert len(str(refused.value).replace(str(file), "")) < 5000
    assert main(["prepare", str(file)]) == 2
    said = capsys.readouterr().err
    assert all(line.startswith("error: ") for line in said.splitlines())
    assert "\x1b" not in said
    assert "Traceback" not in said
    assert not (tmp_path / "ran").exists()


def test_a_folder_whose_study_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    for number, what in enumerate(HOSTILE):
        folder = tmp_path / f"study-{number:03d}"
        folder.mkdir()
        (folder / "study.yaml").write_bytes(HOSTILE[what])
    (tmp_path / "study-dir" / "study.yaml").mkdir(parents=True)
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "study.yaml").write_text(STUDY)
    console = Console(file=io.StringIO(), width=10_000)
    show_studies(all_studies(tmp_path), tmp_path, console)
    assert isinstance(console.file, io.StringIO)
    lines = {line.split()[0]: line for line in console.file.getvalue().splitlines()}
    assert "interrupted, 0 of 3 trials finished" in lines["good"]
    assert "cannot be read" in lines["study-dir"]
    told = [line for name, line in lines.items() if name.startswith("study-0")]
    assert len(told) == len(HOSTILE)
    assert sum("cannot be read" in line for line in told) >= len(HOSTILE) - len(VALID)
