"""What `study resume` and `study run --resume` ask of a study before they go on with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from study.base.errors import StudyError
from study.base.records import EpochRecord, TrialRecord, TrialState
from study.commands.main import main
from study.driver.resuming import check_left, with_more
from study.driver.runner import Ended
from study.storage.folder import StudyFolder, create_study_folder, folder_of, open_study_folder
from study.storage.study_file import parse_study
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.config import StudyConfig

FILE = "toy.yaml"
FOLDER = StudyFolder(Path("studies/toy"))


def trial(number: int, state: TrialState = TrialState.COMPLETE, epochs: int = 3) -> TrialRecord:
    told = tuple(EpochRecord(epoch, {"loss": 1.0}) for epoch in range(1, epochs + 1))
    return TrialRecord(number, state, {}, told, total_epochs=3)


class Driver:
    """Stands for the runner, and for what the storage knows of the trials."""

    def __init__(self) -> None:
        self.records: Sequence[TrialRecord] = [trial(0), trial(1, TrialState.INTERRUPTED, 1)]
        self.resumed: list[tuple[StudyFolder, StudyConfig, dict[str, Any]]] = []
        self.began: list[StudyConfig] = []

    def resume_study(
        self, folder: StudyFolder, config: StudyConfig, _console: object, **options: object
    ) -> Ended:
        assert not folder.driver_alive()
        self.resumed.append((folder, config, options))
        return Ended(folder, [], None, None)

    def run_study(self, config: StudyConfig, _console: object, **_: object) -> Ended:
        self.began.append(config)
        return Ended(folder_of(config), [], None, None)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    driver = Driver()
    monkeypatch.setattr("study.commands.running.resume_study", driver.resume_study)
    monkeypatch.setattr("study.commands.running.run_study", driver.run_study)
    monkeypatch.setattr("study.driver.resuming.read_records", lambda *_: driver.records)
    return driver


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFolder:
    """An interrupted study, as it lies in the working directory beside its file."""
    monkeypatch.chdir(tmp_path)
    Path(FILE).write_text(STUDY)
    with create_study_folder(parse_study(STUDY, origin=FILE)) as folder:
        folder.ray.mkdir()
    return folder


def refused(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(words) == 2
    sentence = capsys.readouterr().err
    assert sentence.startswith("error: ")
    assert sentence.count("\n") == 1
    return sentence


@pytest.mark.parametrize("words", [["resume", "toy"], ["run", FILE, "--resume"]])
def test_an_interrupted_study_goes_on_where_it_lies(
    words: list[str], study: StudyFolder, driver: Driver
) -> None:
    assert main([*words, "--address", "10.0.0.5:6379"]) == 130
    ((folder, config, options),) = driver.resumed
    assert folder == study
    began = study.config()
    assert config.model_copy(update={"root": began.root}) == began
    assert Path(config.root).resolve() == study.path.parent
    assert options == {"address": "10.0.0.5:6379"}


def test_more_trials_and_hours_may_be_given(study: StudyFolder, driver: Driver) -> None:
    main(["resume", "toy", "--trials", "9", "--hours", "1.5"])
    ((_, config, _),) = driver.resumed
    assert (config.search.trials, config.budget.hours) == (9, 1.5)
    rest = {"search", "budget", "root"}
    began = study.config()
    assert config.model_dump(exclude=rest) == began.model_dump(exclude=rest)
    assert with_more(study).search == began.search


def test_more_trials_than_a_grid_has_are_refused_before_anything_is_written(
    tmp_path: Path, driver: Driver, capsys: pytest.CaptureFixture[str]
) -> None:
    """The study's copy of its file could never be read again, and no command would work."""
    space = "space: {loss.bpp_lambda: {choices: [1e-4, 1e-2]}}"
    text = STUDY.replace("startup_trials: 2", f"sampler: grid, {space}")
    config = parse_study(text, origin=FILE).model_copy(update={"root": str(tmp_path)})
    with create_study_folder(config) as folder:
        folder.ray.mkdir()
    sentence = refused(["resume", "toy", "--root", str(tmp_path), "--trials", "4"], capsys)
    assert "search.trials must be at most 3, for the grid has 2 points" in sentence
    assert folder.config().search.trials == 3
    assert not driver.resumed


@pytest.mark.parametrize(
    ("option", "value"),
    [("--trials", "0"), ("--trials", "many"), ("--hours", "0"), ("--hours", "nan")],
)
def test_more_is_a_number(
    option: str, value: str, capsys: pytest.CaptureFixture[str], study: StudyFolder
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["resume", study.path.name, option, value])
    assert f"argument {option}: must be a" in capsys.readouterr().err


def test_a_study_that_was_moved_goes_on_where_it_lies_now(
    study: StudyFolder, driver: Driver, tmp_path: Path
) -> None:
    (tmp_path / "else").mkdir()
    moved = study.path.rename(tmp_path / "else" / "toy")
    main(["resume", "toy", "--root", "else"])
    ((folder, config, _),) = driver.resumed
    assert folder.path == folder_of(config).path == moved


def test_resume_of_a_new_name_begins_the_study(
    study: StudyFolder, driver: Driver, tmp_path: Path
) -> None:
    (tmp_path / "new.yaml").write_text(STUDY.replace("name: toy", "name: new"))
    main(["run", "new.yaml", "--resume"])
    assert [config.name for config in driver.began] == ["new"]
    assert driver.resumed == []
    assert study.is_study


@pytest.mark.usefixtures("driver", "study")
def test_a_name_that_is_unknown_has_a_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no study 'tou' in studies; did you mean 'toy'?" in refused(
        ["resume", "tou"], capsys
    )


@pytest.mark.parametrize("words", [["resume", "toy"], ["run", FILE, "--resume"]])
def test_a_driver_that_is_alive_is_left_alone(
    words: list[str], study: StudyFolder, driver: Driver, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_study_folder(study):
        assert "a study has one driver at a time, and 'toy' is driven by process" in refused(
            words, capsys
        )
    assert driver.resumed == []


def test_a_changed_study_file_is_another_study(
    study: StudyFolder, driver: Driver, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(FILE).write_text(STUDY.replace("epochs: 3", "epochs: 4") + "seed: 5\n")
    sentence = refused(["run", FILE, "--resume"], capsys)
    assert "of 'toy' seed was 0 and is 5, training.epochs was 3 and is 4" in sentence
    assert driver.resumed == []
    Path(FILE).write_text(STUDY.replace("trials: 3", "trials: 30"))
    main(["run", FILE, "--resume"])
    assert [config.search.trials for _, config, _ in driver.resumed] == [30]
    assert study.config().search.trials == 3  # Whoever goes on writes it down.


def test_a_finished_study_says_what_to_raise(
    study: StudyFolder, driver: Driver, capsys: pytest.CaptureFixture[str]
) -> None:
    driver.records = [trial(0), trial(1, TrialState.FAILED), trial(2, TrialState.PRUNED)]
    main(["resume", "toy"])  # Its driver was killed before it could report.
    assert len(driver.resumed) == 1
    driver.resumed.clear()
    study.report.touch()
    sentence = refused(["resume", "toy"], capsys)
    assert "nothing is left to do in 'toy': its 3 trials have ended, 1 of them comple" in sentence
    assert "`study resume toy --trials 6`" in sentence
    assert "`study front toy`" in sentence
    assert "and all 3 trials were begun; " in sentence
    fewer = refused(["resume", "toy", "--trials", "2"], capsys)
    assert "its 3 trials have ended, 1 of them complete, and the 2 that it may have are" in fewer
    assert study.config().search.trials == 3
    main(["resume", "toy", "--trials", "4"])
    assert len(driver.resumed) == 1
    assert study.is_study


def test_advice_names_the_root_of_the_study(
    study: StudyFolder, driver: Driver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "else").mkdir()
    moved = StudyFolder(study.path.rename(tmp_path / "else" / "toy"))
    moved.report.touch()
    driver.records = [trial(0), trial(1), trial(2)]
    sentence = refused(["resume", "toy", "--root", "else"], capsys)
    assert "`study resume toy --root else --trials 6`" in sentence
    assert "`study front toy --root else`" in sentence
    config = parse_study(STUDY + "root: else", origin="x")
    with (
        pytest.raises(StudyError, match=r"go on with it: `study resume toy --root else`"),
        create_study_folder(config),
    ):
        pass


def test_spent_epochs_are_raised_in_the_study_file() -> None:
    config = parse_study(STUDY + "budget: {epochs: 6}", origin="x")
    ended = [trial(0), trial(1)]
    with pytest.raises(
        StudyError, match="its budget of 6 epochs leaves none for a further trial; allow"
    ):
        check_left(FOLDER, config, ended)
    check_left(FOLDER, config, [trial(0)])
    check_left(FOLDER, config, [*ended, trial(2, TrialState.INTERRUPTED, epochs=1)])  # It goes on.


def test_a_study_that_was_stopped_before_its_first_trial_goes_on() -> None:
    check_left(FOLDER, parse_study(STUDY, origin="x"), [])


@pytest.mark.usefixtures("study")
def test_run_names_the_way_to_go_on(tmp_path: Path) -> None:
    config = parse_study(STUDY + f"root: {tmp_path}/studies", origin="x")
    with (
        pytest.raises(StudyError, match=r"'toy' is taken: .* go on with it: `study resume toy`"),
        create_study_folder(config),
    ):
        pass


def test_a_study_file_that_is_being_written_is_the_old_or_the_new(
    study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, text: str, **_: object) -> int:
        raise OSError(28, f"No space left on device, after {len(text)} characters")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(StudyError, match="No space left on device"):
        study.keep(with_more(study, trials=9))
    assert study.config().search.trials == 3
    monkeypatch.undo()
    study.keep(with_more(study, trials=9))
    assert study.config().search.trials == 9
