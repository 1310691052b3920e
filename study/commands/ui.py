"""`study ui`: MLflow's pages on this machine only, with links to what a study has there."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.markup import escape

from study.base.addresses import masked
from study.base.errors import StudyError
from study.base.next_command import next_command
from study.storage.folder import check_root, find_study
from study.storage.progress import read_progress
from study.tracking.client import cause_of, is_database, is_missing
from study.tracking.links import (
    chart_link,
    experiment_link,
    experiments_link,
    find_summary,
    registry_link,
    summary_link,
)
from study.tracking.opening import own_artifacts, tracking_uri
from study.tracking.places import is_elsewhere
from study.tracking.server import free_port, running_server

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from study.storage.folder import StudyFolder
    from study.tracking.links import Place

_LOG = "mlflow-server.log"


@dataclass(frozen=True)
class _Shown:
    """What there is to show of a study.

    Attributes:
        name: the study's.
        place: where MLflow holds it.
        storage: Optuna's, as its own pages take it.
        is_copied: whether its files there are those of the root that this one was copied from.
        sync: the command that writes what MLflow lacks of it.
    """

    name: str
    place: Place
    storage: str
    is_copied: bool
    sync: str


def show(arguments: argparse.Namespace, console: Console) -> int:
    """Show what MLflow holds, until Ctrl-C."""
    root = arguments.root.resolve()
    check_root(root)
    folder = find_study(root, arguments.name) if arguments.name else None
    root = folder.path.parent if folder else root

    uri = tracking_uri(folder.config(), folder) if folder else f"sqlite:///{root / 'mlflow.db'}"
    if is_missing(uri):
        remedy = "`study run` makes it, or say with --root where the studies are"
        if folder is not None:
            remedy = f"`{next_command('mlflow sync', folder.path)}` makes it"
            if folder.driver_alive():
                remedy = "its driver makes it when the first epoch is trained; wait for that"
        raise StudyError(f"MLflow has nothing to show: there is no {uri}; {remedy}")
    if is_database(uri):
        shown = _look_up(uri, folder) if folder else None
        with _told_to_end():
            _serve(uri, root, shown, arguments.port, console)
        return 0
    assert folder is not None
    if arguments.port is not None:
        raise StudyError(
            f"--port is for a server that is started here, and {arguments.name} is recorded on one "
            "that runs elsewhere (tracking.uri); leave it out"
        )
    split = urlsplit(uri)
    url = split._replace(netloc=split.netloc.rpartition("@")[2]).geturl()
    _print_links(url, _look_up(uri, folder), console)
    return 0


def _serve(uri: str, root: Path, shown: _Shown | None, port: int | None, console: Console) -> None:
    """Run the server until Ctrl-C."""
    with running_server(uri, root / "mlartifacts", free_port(port), root / _LOG) as server:
        console.print(f"[dim]MLflow starts at {server.address} …[/]", soft_wrap=True)
        try:
            server.wait_until_up()
            if shown is not None and shown.is_copied:
                told = (
                    f"{root} was copied or moved, and MLflow has the files of {shown.name} where "
                    f"they were: its front is not shown until `{shown.sync}` gives it files here"
                )
                console.print(f"[yellow]caution[/] {escape(told)}", soft_wrap=True, highlight=False)
            _print_links(server.link, shown, console)
            console.print(
                "[dim]Ctrl-C ends it; until then, whoever has one of these links can read and "
                "change what MLflow holds here[/]",
                soft_wrap=True,
            )
            server.wait()
        except KeyboardInterrupt:
            console.print("[dim]ended[/]")


def _look_up(uri: str, folder: StudyFolder) -> _Shown:
    """Find out where MLflow holds a study.

    Raises:
        StudyError: it does not, or cannot be reached.
    """
    config = folder.config()
    store = read_progress(folder, config).store
    try:
        place = find_summary(uri, config.name, store.identity) if store else None
    except Exception as error:
        raise StudyError(
            f"MLflow at {masked(uri)} cannot be asked for {config.name} ({cause_of(error)}); see "
            "that it runs"
        ) from error
    sync_command = next_command("mlflow sync", folder.path)
    if place is None:
        raise StudyError(
            f"MLflow at {masked(uri)} holds nothing of {config.name}; `{sync_command}` writes it"
        )
    storage = config.storage.uri or f"sqlite:///{folder.database}"
    own = own_artifacts(config, folder)
    is_copied = place.files is not None and is_elsewhere(place.files, own)
    return _Shown(config.name, place, masked(storage), is_copied, sync_command)


def _print_links(url: str, shown: _Shown | None, console: Console) -> None:
    links = {}
    if shown is None:
        links["studies"] = experiments_link(url)
    else:
        experiment, summary, _ = shown.place
        if summary is not None:
            links["front"] = summary_link(url, experiment, summary)
        links["chart"] = chart_link(url, experiment)
        links["trials"] = experiment_link(url, experiment)
    links["codecs"] = registry_link(url)
    for what, link in links.items():
        console.print(f"{what:>8}  [bold]{escape(link)}[/]", soft_wrap=True)
    if shown is not None:
        console.print(
            f"[dim]Optuna's own pages: optuna-dashboard {escape(shown.storage)}[/]", soft_wrap=True
        )


@contextmanager
def _told_to_end() -> Iterator[None]:
    """Take `kill`, and the terminal's end, for Ctrl-C: no server may outlive this process."""
    before = {
        number: signal.signal(number, signal.default_int_handler)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
