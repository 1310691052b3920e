"""Where a study runs, and where its records are."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator

from study.base.addresses import masked
from study.base.errors import StudyError
from study.config.names import Name
from study.config.numbers import Count, Positive
from study.config.section import Section

_STORES = ("s3", "gs")
_STORE_STEMS = tuple(f"{scheme}:" for scheme in _STORES)


class ResourcesSection(Section):
    """How many trials train together as a cohort, what one takes, and how many run at once."""

    cohort: Literal["auto"] | Count = Field(
        "auto",
        description="most trials of equal shape that train together in one process, as one model; "
        "auto: as many as are measured to be worth it here, in at least two rounds of cohorts; 1: "
        "each trial by itself",
    )
    cpus_per_cohort: Count = Field(1, description="processor cores, and threads, of one cohort")
    gpus_per_cohort: Literal["auto"] | Annotated[float, Field(ge=0.0)] = Field(
        "auto",
        description="GPUs, or the share of one, for a cohort; auto: 1 if there are any, but 0.25 "
        "where a cohort is a single trial",
    )
    concurrent_cohorts: Literal["auto"] | Count = Field(
        "auto",
        description="cohorts that run at once; auto: as many as there is room for at the start, on "
        "a joined cluster at least one; a number may exceed its room, the rest wait for machines",
    )
    longest_step_s: Literal["auto"] | Annotated[float, Field(gt=0.0)] = Field(
        "auto",
        description="seconds after which an epoch, or the measuring of a codec, counts as hanging: "
        "its worker is ended and begins again from its checkpoint; auto: 20 times the longest so "
        "far and at least 10 minutes, for the first 6 hours",
    )

    @property
    def fit_any_machine(self) -> bool:
        """Whether every machine has room for one cohort."""
        return self.cpus_per_cohort == 1 and self.gpus_per_cohort in {"auto", 0.0}


_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_SERVICES = ("databricks", "databricks-uc", "uc", "azureml", "arn")
_MLFLOW_SCHEMES = frozenset({"http", "https", "file", *_DATABASES, *_SERVICES})
"""What MLflow opens, of the services some with plugins; a database may add its driver, as in
postgresql+psycopg2."""


def _is_address(uri: str) -> bool:
    """Tell whether MLflow could open an address, as far as the address alone says."""
    scheme, colon, _ = uri.partition(":")
    try:
        split = urlsplit(uri)
        host = split.hostname if split.port != 0 else None
    except ValueError:  # A port that is none, or half an IPv6 address.
        return False
    if not colon:
        return True  # A folder, or nothing, which is as null.
    return scheme.split("+")[0] in _MLFLOW_SCHEMES and (not scheme.startswith("http") or bool(host))


def _check_address(uri: str | None) -> str | None:
    """Refuse an address that MLflow can never open: the study itself would not notice."""
    if uri is not None and not _is_address(uri):
        message = (
            "must be the address of a server or a database, such as http://127.0.0.1:5000 or "
            "sqlite:////home/me/mlflow.db; leave it out for mlflow.db in the studies' root"
        )
        raise ValueError(message)
    return uri


class TrackingSection(Section):
    """Where MLflow records what it is shown."""

    uri: Annotated[str | None, AfterValidator(_check_address)] = Field(
        None, description="MLflow tracking address; null: mlflow.db in the studies' root"
    )
    system_metrics: bool = Field(
        default=False,
        description="whether each epoch tells what its worker and machine were busy with: "
        "processor and memory, and those of the GPU; MLflow shows them as system metrics",
    )
    model: Name = Field(
        "dpcc-codec",
        description="registered model that `study export --register` adds versions to; the same "
        "for all studies of a project",
    )


def store_address(address: str) -> str:
    """Return the address of a mirror as it was given.

    Raises:
        StudyError: it is none, or may hold a password.
    """
    scheme, found, place = address.partition("://")
    is_store = scheme in _STORES and place.strip("/") and masked(address) == address
    # A folder may have any name, but a slash that is missing would make one of a store's address.
    is_folder = not found and address.strip() and not address.startswith(_STORE_STEMS)
    if not (is_folder or (is_store and "#" not in address)):
        raise StudyError(
            "a mirror must be s3://bucket/prefix, gs://bucket/prefix or a folder, without user, "
            f"password or options, which belong into the environment, and is {masked(address)}"
        )
    return address


class StorageSection(Section):
    """Where the truth about trials is kept, and how much of what they learned."""

    uri: str | None = Field(
        None,
        description="Optuna's storage, such as postgresql+psycopg://me@host/name; null: optuna.db "
        "in the study's folder",
    )
    keep: Literal["front", "all"] = Field(
        "front",
        description="codecs kept: front, those that no other beats, over all epochs; all: that of "
        "every epoch of every trial",
    )
    codec_bytes: Count = Field(
        2**30,
        description="most bytes of the front's codecs; beyond it the least useful of them are "
        "deleted, and that is told",
    )
    mirror: str | None = Field(
        None,
        description="where copies of the study's folder go while it runs: s3://bucket/prefix, "
        "gs://bucket/prefix or another folder; `study resume NAME --from` goes on from there; "
        "null: nowhere",
    )
    mirror_every_s: Positive = Field(
        60.0,
        le=86_400.0,
        description="seconds between two such copies at least, while trials make progress; a last "
        "one is taken at the end",
    )

    @field_validator("mirror")
    @classmethod
    def _name_a_store(cls, mirror: str | None) -> str | None:
        return None if mirror is None else store_address(mirror)
