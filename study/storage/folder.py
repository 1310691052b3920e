"""A study's folder: who made it, where its files are, and whether a driver works on it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

from study.base.addresses import SQLITE_JOURNALS
from study.base.errors import StudyError
from study.base.next_command import next_command
from study.base.spelling import did_you_mean, nearest
from study.config.yaml_file import STUDY_YAML, partial_of, write_study
from study.storage.driver_lock import DRIVER_LOCK, driver_lock, is_locked
from study.storage.study_file import load_study

if TYPE_CHECKING:
    from collections.abc import Iterator

    from study.config import StudyConfig

_NO_STUDY = "remove it, for it holds no study"
_TAKEN = frozenset(
    {
        *(f"mlflow.db{end}" for end in ("", *SQLITE_JOURNALS)),
        *("mlartifacts", "mlflow-server.log", "cohort-sizes.json"),
    }
)
"""What else lies in the root of all studies, now or once MLflow is told of one."""


@dataclass(frozen=True)
class StudyFolder:
    """The folder of one study, as an absolute path."""

    path: Path

    @property
    def is_study(self) -> bool:
        """Whether a study was begun here."""
        return (self.path / STUDY_YAML).exists()

    @property
    def database(self) -> Path:
        """Optuna's database, the truth about the trials."""
        return self.path / "optuna.db"

    @property
    def ray(self) -> Path:
        """Where Ray Tune keeps the logs of workers."""
        return self.path / "ray"

    @property
    def cohorts(self) -> Path:
        """Where workers keep what they need to go on (`study.cohorts.folders`)."""
        return self.path / "cohorts"

    @property
    def report(self) -> Path:
        """The page that is written when a study ends (`study.report`)."""
        return self.path / "front.html"

    @property
    def codecs(self) -> Path:
        """Where kept codecs lie, by trial and epoch (`study.checkpoints.kept_codecs`)."""
        return self.path / "codecs"

    def config(self) -> StudyConfig:
        """Return the study as it was started, under the name that its folder has now.

        Who copies, moves or renames a study means the folder. Only where trials are kept in a
        database elsewhere (`storage.uri`) the name stays, for it finds them there.

        Raises:
            StudyError: the study's own file is missing or damaged.
        """
        config = load_study(self.path / STUDY_YAML)
        if config.storage.uri is not None:
            return config
        return config.model_copy(update={"name": self.path.name})

    def keep(self, config: StudyConfig) -> None:
        """Write down a study whose budgets, resources or places have changed.

        Raises:
            StudyError: the file cannot be written.
        """
        write_study(config, self.path / STUDY_YAML)

    def driver_alive(self) -> bool | None:
        """Tell whether a process works on the study now: only such a one holds the lock.

        None where the lock is another user's, who alone may look.
        """
        return is_locked(self.path)


def folder_of(config: StudyConfig) -> StudyFolder:
    """Return where a study lies, or will: below its root, under its name."""
    return StudyFolder(Path(config.root).resolve() / config.name)


def data_of(folder: StudyFolder, config: StudyConfig, data_folder: str) -> Path:
    """Return a trial's data set: where its worker found it, or beside a study that was moved."""
    there = Path(data_folder)
    moved = (Path(config.data_root), folder.path.parent.parent / Path(config.data_root).name)
    places = [there, *(root / there.name for root in moved)]
    return next((place for place in places if place.is_dir()), there)


@contextmanager
def create_study_folder(config: StudyConfig) -> Iterator[StudyFolder]:
    """Create the study's folder, for this process alone, and hold its lock.

    The lock is the kernel's: it ends with the process, however that ends. When an error ends the
    block before Tune began its work, the folder is removed again.

    Raises:
        StudyError: the name is taken, or the folder cannot be made.
    """
    folder = folder_of(config)
    check_name(config.name)
    if not _is_half_made(folder):
        check_name_is_free(folder)
        _make(folder)
    with driver_lock(folder.path):
        if folder.is_study:  # Another driver was faster.
            check_name_is_free(folder)
        try:
            folder.keep(config)
            yield folder
        except BaseException:
            if not folder.ray.exists():
                rmtree(folder.path, ignore_errors=True)
            raise


def _make(folder: StudyFolder) -> None:
    """Make a study's folder, and the root where it is missing."""
    root = folder.path.parent
    check_root(root)
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.path.mkdir()
    except FileExistsError:
        check_name_is_free(folder)
        raise
    except OSError as error:
        message = f"the study's folder {folder.path} cannot be made: {error}"
        raise StudyError(message) from error


def _is_half_made(folder: StudyFolder) -> bool:
    """Tell whether a driver was killed here before it wrote down what study it begins."""
    if not folder.path.is_dir():
        return False
    there = {path.name for path in folder.path.iterdir()}
    return DRIVER_LOCK in there <= {DRIVER_LOCK, partial_of(folder.path / STUDY_YAML).name}


@contextmanager
def open_study_folder(folder: StudyFolder) -> Iterator[StudyFolder]:
    """Go on in a folder that exists, for this process alone, and hold its lock.

    Nothing is ever removed from it here, however the block ends.

    Raises:
        StudyError: another process on this machine works on the study.
    """
    with driver_lock(folder.path):
        yield folder


def check_name(name: str) -> None:
    """Raise StudyError if a study must not have this name, as other files beside it need it."""
    if name.lower() in _TAKEN:
        message = (
            f"a study cannot be called '{name}', for that name is reserved; so are "
            f"{', '.join(sorted(_TAKEN - {name.lower()}))}: these files lie beside the studies and "
            "hold MLflow's records and how fast this machine is; choose another name"
        )
        raise StudyError(message)


def check_name_is_free(folder: StudyFolder) -> None:
    """Raise StudyError if there is something under the study's name already."""
    if folder.path.exists():
        go_on = f"go on with it: `{next_command('resume', folder.path)}`"
        message = (
            f"a study's name must be new, but '{folder.path.name}' is taken: {folder.path} exists; "
            f"choose another name, or {go_on if folder.is_study else _NO_STUDY}"
        )
        raise StudyError(message)


def next_free_name(root: Path, stem: str) -> str:
    """Return `stem` with the first number after those that are taken: quickstart-001, -002, ..."""
    numbers = [
        int(suffix)
        for path in root.glob(f"{stem}-*")
        if (suffix := path.name.removeprefix(f"{stem}-")).isdecimal()
    ]
    return f"{stem}-{max(numbers, default=0) + 1:03d}"


def check_root(root: Path) -> None:
    """Raise StudyError if the folder of all studies is a file."""
    if root.exists() and not root.is_dir():
        message = f"root must be the folder of all studies, but {root} is a file; name another"
        raise StudyError(message)


def all_studies(root: Path) -> list[StudyFolder]:
    """Return the studies under a root, the newest last.

    Raises:
        StudyError: the root is a file, or may not be looked into.
    """
    check_root(root)
    try:
        begun = [(_begun_s(path), path) for path in root.resolve().iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StudyError(
            f"the folder of studies must be readable, and {root} is not ({error.strerror}); see to "
            "its rights, or whose it is"
        ) from error
    known = [(begun_s, path) for begun_s, path in begun if begun_s is not None]
    return [StudyFolder(path) for _, path in sorted(known)]


def _begun_s(folder: Path) -> float | None:
    """Return when a study file was written into a folder; None where there is none."""
    try:
        return (folder / STUDY_YAML).stat().st_mtime
    except PermissionError:  # It may be one, and whoever asks for it is told.
        return folder.stat().st_mtime
    except OSError:
        return None


def find_study(root: Path, name: str) -> StudyFolder:
    """Return a study by its name, or by the path of its folder, which a shell completes.

    Raises:
        StudyError: there is none; the sentence names the nearest and the others.
    """
    folders = {folder.path.name: folder for folder in all_studies(root)}
    if name in folders:
        return folders[name]
    given = StudyFolder(Path(name).resolve())
    if given.is_study:
        return given
    if not folders:
        raise StudyError(
            f"there is no study '{name}' in {root}, for {root.resolve()} "
            f"{'holds none' if root.is_dir() else 'does not exist'}; say with --root where the "
            "studies are, or give the path of the study's folder"
        )
    # Who names the study file means the study, which mostly goes by the same name.
    asked = Path(name).stem if name.endswith((".yaml", ".yml")) else name
    hint = did_you_mean(asked, folders)
    known = f" (there are: {', '.join(folders)})" if nearest(asked, folders) else ""
    raise StudyError(f"there is no study '{name}' in {root}; {hint}{known}")
