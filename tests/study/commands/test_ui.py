"""`study ui` as users have it: a real server, and a real browser that follows its links."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from model.codec_folder import load_codec
from study.commands.main import main
from study.config.judging import judge
from study.config.yaml_file import write_study
from study.storage.progress import read_records
from study.tracking.server import Server
from tests.browser import new_page
from tests.study.ports import unused_port
from tests.study.shown import NAME, shown_study

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from study.base.records import TrialRecord
    from study.storage.folder import StudyFolder

pytestmark = pytest.mark.timeout(300)  # two servers' worth of start, on a busy machine

PATIENCE_S = 60.0

_SHUT = ("/assistant/config", "/assistant/providers", "/gateway-proxy?")
"""What of that which the gate shuts MLflow's pages ask for."""

_OWN = ("http://127.0.0.1:", "blob:http://127.0.0.1:", "data:")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A finished study that MLflow holds, with the named points of its front registered."""
    folder = shown_study(tmp_path_factory.mktemp("ui"))
    root = ["--root", str(folder.path.parent)]
    assert main(["mlflow", "sync", NAME, *root]) == 0
    assert main(["export", NAME, "--points", "--register", *root]) == 0
    return folder


@pytest.fixture(scope="module")
def best(study: StudyFolder) -> dict[int, TrialRecord]:
    """The front, by the trials' numbers."""
    config = study.config()
    return {one.number: one for one in judge(config, read_records(study, config)).front}


@pytest.fixture(scope="module")
def links(study: StudyFolder) -> Iterator[dict[str, str]]:
    """What `study ui` prints, by what each link leads to; ends it with Ctrl-C at last."""
    command = [sys.executable, "-m", "study", "ui", NAME, "--root", str(study.path.parent)]
    process = subprocess.Popen(
        [*command, "--port", str(unused_port())], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("Ctrl-C"):
            break
    text = "".join(said)
    assert "Warning" not in text
    yield dict(re.findall(r"^ +(\w+)  (http://\S+)$", text, re.MULTILINE))
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0
    assert process.stdout.read() == "ended\n"
    process.stdout.close()
    assert listeners(port_of(text)) == []


def port_of(text: str) -> int:
    found = re.search(r"http://127\.0\.0\.1:(\d+)", text)
    assert found
    return int(found[1])


def address_of(links: dict[str, str]) -> str:
    return f"http://127.0.0.1:{port_of(links['front'])}"


def listeners(port: int) -> list[str]:
    """The addresses at which something listens on a port, as the kernel writes them."""
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                found.append(local.rpartition(":")[0])
    return found


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """A page that follows all links, so that MLflow's scripts are fetched once.

    It may fetch nothing but from this machine. What MLflow's own scripts complain of is no concern
    of ours, nor that it asks a server without users who is there, and asks for what is shut. The
    front's page is neither.
    """
    fetched: list[str] = []
    with new_page(browser, forgiven=["/static-files/static/", "/users/current", *_SHUT]) as opened:
        opened.on("request", lambda request: fetched.append(request.url))
        yield opened
    assert [url for url in fetched if not url.startswith(_OWN)] == []


def test_a_summary_a_chart_the_trials_and_the_codecs_are_linked(links: dict[str, str]) -> None:
    assert list(links) == ["front", "chart", "trials", "codecs"]


def test_only_this_machine_reaches_the_server(links: dict[str, str]) -> None:
    assert listeners(port_of(links["front"])) == ["0100007F"]


def test_without_its_link_the_server_answers_nothing(links: dict[str, str]) -> None:
    for path in ("", "health", "?key=guessed", "api/2.0/mlflow/experiments/search?max_results=9"):
        with pytest.raises(urllib.error.HTTPError, match="403") as refused:
            urllib.request.urlopen(f"{address_of(links)}/{path}", timeout=PATIENCE_S)  # noqa: S310
        assert b"`study ui`" in refused.value.read()


@pytest.mark.parametrize(
    "setting",
    [
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false",
        "MLFLOW_ENABLE_ASSISTANT_SANDBOX=true",
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES=none",
    ],
)
def test_what_runs_foreign_code_is_off(setting: str, links: dict[str, str]) -> None:
    port = str(port_of(links["front"])).encode()
    serving = [
        process
        for process in Path("/proc").glob("[0-9]*")
        if b"study.tracking.serving" in read(process / "cmdline")
        and port in read(process / "cmdline").split(b"\0")
    ]
    assert len(serving) == 1
    assert setting.encode() in read(serving[0] / "environ").split(b"\0")


def read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # Processes come and go.
        return b""


def test_the_front_is_seen_inside_mlflow(
    page: Page, links: dict[str, str], best: dict[int, TrialRecord]
) -> None:
    page.goto(links["trials"])
    page.get_by_role("link", name="summary").click()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("front.html").first.click()
    frame = page.frame_locator("iframe")
    points = frame.locator("[data-layer=front] [data-trial]")
    points.first.wait_for()
    assert "allow-same-origin" not in f"{page.locator('iframe').get_attribute('sandbox')}"
    found = [int(f"{one.get_attribute('data-trial')}") for one in points.all()]
    assert sorted(found) == sorted(best)
    (last,) = list(best.values())[-1:]
    frame.locator(f"[data-layer=front] [data-trial='{last.number}']").hover()
    told = frame.locator("#hover").inner_text()
    assert f"trial {last.number}" in told.lower()
    for name, value in last.params.items():
        assert name in told
        shown = re.search(rf"{re.escape(name)}\s+(\S+)", told)
        assert shown
        assert float(shown[1]) == pytest.approx(value, rel=0.01)


def test_the_link_leads_to_the_picture_itself(page: Page, links: dict[str, str]) -> None:
    page.goto(links["front"])
    page.frame_locator("iframe").locator("[data-layer=front] [data-trial]").first.wait_for()


def test_the_filter_on_pareto_shows_exactly_the_front(
    page: Page, links: dict[str, str], best: dict[int, TrialRecord]
) -> None:
    page.goto(links["trials"])
    search = page.get_by_placeholder("metrics.rmse")
    search.fill("tags.pareto = 'true'")
    search.press("Enter")
    page.get_by_text(f"{len(best)} matching runs").wait_for()
    names = page.locator("a[href*='/runs/']").all_inner_texts()
    assert sorted(int(name[1:4]) for name in names) == sorted(best)


def test_the_chart_view_has_a_point_for_every_finished_trial(
    page: Page, links: dict[str, str], study: StudyFolder
) -> None:
    page.goto(links["chart"])
    complete = [one for one in read_records(study, study.config()) if one.final]
    points = page.locator(".scatterlayer .points path")
    points.nth(len(complete) - 1).wait_for(state="attached")
    assert points.count() == len(complete)


def test_the_registry_shows_the_aliases(
    page: Page, links: dict[str, str], study: StudyFolder
) -> None:
    page.goto(links["codecs"])
    page.get_by_role("dialog").get_by_role("button", name="Try it now").click()
    page.get_by_role("link", name="dpcc-codec").click()
    config = study.config()
    for name, record in judge(config, read_records(study, config)).named_points.items():
        version = page.get_by_role("row").filter(has_text=f"@\N{NO-BREAK SPACE}{name}")
        version.wait_for()
        assert re.search(rf"trial\s*: {record.number}\s", version.inner_text())


def test_a_study_that_mlflow_lacks_is_told_before_a_server_starts(
    study: StudyFolder,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    moved = shutil.copytree(study.path.parent, tmp_path / "else")
    (moved / NAME).rename(moved / "renamed")
    assert main(["ui", "renamed", "--root", "else"]) == 2
    shown = capsys.readouterr()
    assert "holds nothing of renamed; `study mlflow sync renamed --root else` writes it" in (
        shown.err
    )
    assert "MLflow starts" not in shown.out
    (moved / "mlflow.db").unlink()
    assert main(["ui", "renamed", "--root", "else"]) == 2
    assert "`study mlflow sync renamed --root else` makes it" in capsys.readouterr().err
    assert main(["export", "renamed", "--knee", "--register", "--root", "else"]) == 2
    assert "`study mlflow sync renamed --root else` writes it" in capsys.readouterr().err


def test_without_a_name_all_studies_are_linked(
    study: StudyFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(_server: Server) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "wait_until_up", lambda _server: None)
    monkeypatch.setattr(Server, "wait", end)
    assert main(["ui", "--root", str(study.path.parent)]) == 0
    told = capsys.readouterr().out
    assert re.search(
        r"studies  http://127\.0\.0\.1:\d+/\?key=[\w-]{43}#/experiments\?workflowType=machine_learning\n",
        told,
    )
    assert NAME not in told


def test_a_study_on_a_server_of_its_own_is_linked_there(
    tmp_path: Path, study: StudyFolder, links: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    moved = shutil.copytree(study.path.parent, tmp_path / "studies")
    page, key, fragment = re.split(r"\?key=([\w-]+)", links["front"])
    url = address_of(links)
    config = study.config()
    tracking = config.tracking.model_copy(update={"uri": url.replace("//", f"//me:{key}@")})
    write_study(config.model_copy(update={"tracking": tracking}), moved / NAME / "study.yaml")
    assert main(["ui", NAME, "--root", str(moved)]) == 0
    told = capsys.readouterr().out
    assert f"front  {page}{fragment}\n" in told
    assert key not in told
    assert main(["ui", NAME, "--port", "5001", "--root", str(moved)]) == 2
    assert "--port is for a server that is started here" in capsys.readouterr().err


def test_named_points_become_folders_and_are_registered_once(
    study: StudyFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "codecs"
    root = ["--root", str(study.path.parent)]
    assert main(["export", NAME, "--points", "--register", str(out), *root]) == 0
    config = study.config()
    for name, record in judge(config, read_records(study, config)).named_points.items():
        assert load_codec(out / name).about["trial"] == record.number
    told = capsys.readouterr().out
    assert told.count("which was there already") == 3
    assert main(["export", NAME, "--points", str(out), *root]) == 2
    assert "codecs are written into a new folder" in capsys.readouterr().err


def test_the_study_file_names_the_registered_model(
    tmp_path: Path, study: StudyFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = shutil.copytree(study.path.parent, tmp_path / "studies")
    config = study.config()
    tracking = config.tracking.model_copy(update={"model": "chairs"})
    write_study(config.model_copy(update={"tracking": tracking}), moved / NAME / "study.yaml")
    assert main(["mlflow", "sync", NAME, "--root", str(moved)]) == 0  # Runs of its own.
    assert main(["export", NAME, "--knee", "--register", "--root", str(moved)]) == 0
    told = capsys.readouterr().out
    assert "models:/chairs@knee" in told
    assert "; version 1 in MLflow" in told
