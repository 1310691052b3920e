"""The command line: what it offers is pinned here, and every refusal is a sentence and code 2."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest

import study
from study.commands.declared import COMMANDS as DECLARED
from study.commands.main import main
from study.commands.parser import build_parser
from study.config import StudyConfig
from study.fronts.measures import MEASURES
from tests.study import toy
from tests.study.measured import measured_study

PACKAGE = Path(study.__file__).parent

COMMANDS = {
    "run": ["--address", "--help", "--resume", "-h", "file"],
    "resume": ["--address", "--from", "--help", "--hours", "--root", "--trials", "-h", "name"],
    "front": ["--baseline", "--format", "--help", "--json", "--root", "--with", "-h", "name"],
    "compare": ["--help", "--root", "-h", "first", "second"],
    "status": ["--help", "--root", "-h", "name"],
    "prepare": ["--help", "-h", "file"],
    "explain": ["--family", "--help", "-h", "section"],
    "mlflow": ["--help", "--root", "--uri", "-h", "action", "name"],
    "ui": ["--help", "--port", "--root", "-h", "name"],
    "export": [
        "--alias",
        "--bitstreams",
        "--clouds",
        "--epoch",
        "--help",
        "--knee",
        "--max-bpp",
        "--members",
        "--min-psnr",
        "--on",
        "--points",
        "--register",
        "--root",
        "--trial",
        "-h",
        "name",
        "out",
    ],
    "verify": ["--help", "-h", "folder"],
    "zoo": ["--help", "-h"],
    "compress": [
        "--cloud",
        "--counts",
        "--depth",
        "--edge",
        "--family",
        "--force",
        "--help",
        "--placing",
        "--samples",
        "-h",
        "cloud_file",
        "codec",
        "out",
    ],
    "decompress": ["--family", "--force", "--help", "--most-points", "-h", "codec", "file", "out"],
    "train-tables": ["--depths", "--help", "--seed", "-h", "clouds", "out"],
    "import-checkpoint": [
        "--cube-size",
        "--export",
        "--force",
        "--help",
        "-h",
        "arguments",
        "out",
        "source",
    ],
    "evaluate": [
        "--counts",
        "--depth",
        "--edge",
        "--family",
        "--force",
        "--format",
        "--help",
        "--out",
        "--placing",
        "-h",
        "clouds",
        "codec",
    ],
    "baseline": ["--force", "--format", "--help", "--out", "--tmc3", "-h", "clouds", "codec"],
    "record": ["--force", "--help", "--root", "-h", "names", "table"],
    "simulate": [
        "--cohort",
        "--coverage",
        "--epochs",
        "--force",
        "--grace",
        "--halting",
        "--help",
        "--out",
        "--reduction",
        "--rungs",
        "--sampler",
        "--seeds",
        "--stratify",
        "--study",
        "--trials",
        "--workers",
        "-h",
        "table",
    ],
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.yaml").write_text(toy.STUDY)
    return tmp_path


def test_the_command_line_is_small_and_pinned() -> None:
    (commands,) = (
        action
        for action in build_parser(DECLARED)._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    offered = {
        name: sorted(
            word for action in parser._actions for word in action.option_strings or [action.dest]
        )
        for name, parser in commands.choices.items()
    }
    assert offered == COMMANDS


def test_every_command_that_is_told_of_exists() -> None:
    sources = [path for suffix in ("py", "js", "html") for path in PACKAGE.rglob(f"*.{suffix}")]
    told = {
        command
        for path in sources
        for command in re.findall(r"`study ([a-z][a-z-]*)", path.read_text(encoding="utf-8"))
    }
    assert "resume" in told
    assert sorted(told - COMMANDS.keys()) == []


def test_help_teaches_by_example_and_loads_nothing_heavy() -> None:
    script = (
        "import sys; from study.commands.main import main\n"
        "HEAVY = {'torch', 'ray', 'mlflow', 'optuna', 'numpy'}\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(' '.join(HEAVY & sys.modules.keys()) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "study run mine.yaml" in done.stdout


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_of_a_command_says_what_it_does(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    shown = capsys.readouterr().out
    assert f"examples:\n  study {command}" in shown


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "tou.yaml"], "there is no study file tou.yaml; did you mean 'toy.yaml'?"),
        (["run", "bad.yaml"], "bad.yaml: unknown key 'training.epoch'; did you mean 'epochs'?"),
        (["prepare", "bad.yaml"], "bad.yaml: unknown key 'training.epoch'"),
        (["run", "nowhere.yaml"], "nowhere"),
        (["run", "--resume"], "--resume goes on with the study that a file names; give the file"),
        (["resume", "toy"], "there is no study 'toy' in studies"),
        (["status", "toy"], "there is no study 'toy' in studies"),
        (["front", "toy"], "there is no study 'toy' in studies"),
        (["front", "toy", "--baseline", "no.json"], "no.json cannot be read"),
        (["front", "toy", "--json", "--with", "tyo"], "--json draws nothing: leave --with and"),
        (["compare", "toy", "tyo"], "there is no study 'toy' in studies"),
        (["export", "toy", "--knee", "codec"], "there is no study 'toy' in studies"),
        (["export", "toy", "--knee", "--epoch", "3", "codec"], "--epoch takes an earlier codec of"),
        (
            ["export", "toy", "--clouds", "--members", "learned", "clouds"],
            "--clouds writes clouds, and --members is for codecs",
        ),
        (["export", "toy", "--knee"], "a codec is written into a new folder: name it, or give"),
        (["export", "toy", "--knee", "--alias", "a", "codec"], "--alias names a version in MLflow"),
        (["export", "toy", "--points", "--register", "--alias", "a"], "--alias names one codec"),
        (["export", "toy", "--knee", "--register", "--alias", "v1"], "an alias has letters"),
        (["explain", "metric"], "there is no section 'metric'; did you mean 'metrics'?"),
        (["explain", "serch"], "there is no section 'serch'; did you mean 'search'?"),
        (["explain", "bpp_lamda"], "no section 'bpp_lamda'; did you mean 'loss.bpp_lambda'?"),
        (["explain", "loss.bpp_lamda"], "in section 'loss'; did you mean 'bpp_lambda'?"),
        (["explain", "nothing"], "there is no section 'nothing'; valid: data, model, loss"),
        (["mlflow", "sync", "toy"], "there is no study 'toy' in studies"),
        (["ui"], "MLflow has nothing to show"),
    ],
)
def test_what_cannot_be_used_is_a_sentence_and_code_2(
    words: list[str], sentence: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "bad.yaml").write_text(toy.STUDY.replace("epochs", "epoch"))
    (here / "nowhere.yaml").write_text(toy.STUDY.replace("max_objects: 6", "source: nowhere"))
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ")
    assert sentence in shown.err
    assert "Traceback" not in shown.err
    assert not list(here.glob("studies/*"))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "auto", "head"])
def test_an_address_where_no_cluster_is_leaves_nothing(
    address: str,
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # what auto means, whatever else runs here
    assert main(["run", "toy.yaml", "--address", address]) == 2
    assert f"none at {address} (" in capsys.readouterr().err
    assert not (here / "studies" / "toy").exists()


def test_explain_knows_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in StudyConfig.model_fields)
    assert "bpp_lambda" in shown


@pytest.mark.parametrize("section", ["objectives", "metrics"])
def test_explain_teaches_the_metrics_with_their_units(
    section: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", section]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for measure in MEASURES.values():
        assert f"{measure.meaning} ({measure.unit})" in shown
    assert "estimated after each epoch, as bpp_estimated" in shown


@pytest.mark.parametrize("section", ["objectives", "constraints"])
def test_explain_teaches_constraints(section: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", section]) == 0
    assert "[bpp <= 2, decode_s <= 0.05]" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("key", "told", "below"),
    [
        ("loss.bpp_lambda", "bpp_lambda 0.0001 weight of the rate", ""),
        ("seed", "seed 0 one seed for everything", ""),
        ("search.sampler", "sampler tpe who proposes settings", "nsga2 crosses the best"),
        ("objectives.metric", "metric required one of bpp", "chamfer less mean squared"),
    ],
)
def test_explain_tells_one_key(
    key: str, told: str, below: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", key]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert told in shown
    assert below in shown
    assert "chamfer_coe" not in shown
    assert "startup_trials" not in shown


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("frnt", "error: there is no command 'frnt'; did you mean 'front'?\n"),
        ("xyz", "error: there is no command 'xyz'; valid: run, resume, front, "),
    ],
)
def test_a_command_that_is_misspelt_is_told_its_nearest(
    word: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main([word, "toy"])
    assert refused.value.code == 2
    assert told in capsys.readouterr().err


def test_who_names_a_study_by_its_file_is_told_its_name(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured_study(here / "studies", "toy")
    assert main(["front", "toy.yaml"]) == 2
    assert "there is no study 'toy.yaml' in studies; did you mean 'toy'?" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_without_studies_status_says_how_to_make_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 0
    told = capsys.readouterr().out
    assert f"there is no study in studies yet, for {Path.cwd() / 'studies'} does not exist" in told
    Path("studies").mkdir()
    assert main(["status"]) == 0
    assert f"{Path.cwd() / 'studies'} holds none; `study run` makes one" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["status"], ["status", "a"], ["front", "a"], ["ui"], ["ui", "a"]]
)
@pytest.mark.usefixtures("here")
def test_a_root_that_is_a_file_is_said_to_be_one(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("afile").touch()
    assert main([*words, "--root", "afile"]) == 2
    told = capsys.readouterr().err
    assert "root must be the folder of all studies, but " in told
    assert "afile is a file; name another" in told
