"""`study mlflow`: what MLflow holds of a study, besides what a driver writes by itself."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_SYNC = """\
Writes into MLflow whatever it lacks of a study: runs, numbers, tags, data sets and files, also into
an empty server. The study's own records are the truth; what MLflow has already is left alone, so
that a second call changes nothing.

examples:
  study mlflow sync quickstart-001
  study mlflow sync quickstart-001 --uri http://127.0.0.1:5000
                                another server than the study's own"""


def add_commands(commands: Any) -> None:  # noqa: ANN401 (argparse names no type for it)
    """Add the commands of this module to the whole command line's."""
    parser = commands.add_parser(
        "mlflow",
        help="write what MLflow lacks of a study, also into an empty server",
        epilog=_SYNC,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=["sync"], help="sync: bring MLflow up to date")
    parser.add_argument("name", metavar="NAME", help="the study's name")
    parser.add_argument(
        "--root", type=Path, default=Path("studies"), help="where the studies are (%(default)s)"
    )
    parser.add_argument(
        "--uri", help="a tracking server or database, in place of the study's own (tracking.uri)"
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Bring MLflow up to date with a study."""
    from study.storage.folder import find_study

    folder = find_study(arguments.root, arguments.name)
    config = folder.config()
    from study.codecs.gallery import make_gallery
    from study.driver.reporting import report
    from study.storage.trial_store import TrialStore
    from study.tracking.sync import sync

    store = TrialStore(config, folder.database)
    gallery = make_gallery(folder, config, store.records(driver_alive=False))
    draw = partial(report, config, folder=folder, gallery=gallery)
    told = sync(config, folder, store, draw, arguments.uri)
    console.print(told, markup=False, highlight=False, soft_wrap=True)
    return 0


COMMANDS = {"mlflow": run}
