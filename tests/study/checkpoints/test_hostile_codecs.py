"""Codecs of a study whose files were made up: each is a sentence, and none is exported."""

from __future__ import annotations

import hashlib
import io
import math
from typing import TYPE_CHECKING, Any

import pytest
import torch

from study.base.errors import StudyError
from study.training.checkpoint import read_codec, write_codec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHAPES = {"a": (2, 3), "b": (4,)}


def state() -> dict[str, Any]:
    return {"format": 1, "trial": 1, "epoch": 2, "shapes": SHAPES, "parameters": torch.arange(10.0)}


def written(path: Path, content: object) -> Path:
    payload = io.BytesIO()
    torch.save(content, payload)
    digest = hashlib.sha256(payload.getbuffer()).hexdigest().encode()
    path.write_bytes(digest + payload.getbuffer())
    return path


def test_a_sound_one_is_read(tmp_path: Path) -> None:
    codec = read_codec(written(tmp_path / "epoch-0002.pt", state()))
    assert (codec.trial, codec.epoch) == (1, 2)
    assert codec.parameters["b"].tolist() == [6, 7, 8, 9]


def with_weight(value: float) -> torch.Tensor:
    weights = torch.arange(10.0)
    weights[3] = value
    return weights


CRAFTED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "infinite": (lambda s: s.update(parameters=with_weight(math.inf)), "not a finite number"),
    "no number": (lambda s: s.update(parameters=with_weight(math.nan)), "not a finite number"),
    "no parameters": (lambda s: s.pop("parameters"), "'parameters' is missing"),
    "no shapes": (lambda s: s.pop("shapes"), "'shapes' is missing"),
    "no trial": (lambda s: s.pop("trial"), "'trial' is missing"),
    "no epoch": (lambda s: s.pop("epoch"), "'epoch' is missing"),
    "a trial in words": (lambda s: s.update(trial="one"), "cannot be used as a codec"),
    "too few": (lambda s: s.update(parameters=torch.zeros(9)), "as many parameters as their"),
    "too many": (lambda s: s.update(parameters=torch.zeros(11)), "as many parameters as their"),
    "doubles": (lambda s: s.update(parameters=torch.zeros(10).double()), "of float32 numbers"),
    "a table": (lambda s: s.update(parameters=torch.zeros(2, 5)), "of float32 numbers"),
    "a list": (lambda s: s.update(parameters=[0.0] * 10), "of float32 numbers"),
    "negative shapes": (lambda s: s.update(shapes={"a": (-2, -5)}), "of whole numbers"),
    "shapes in words": (lambda s: s.update(shapes={"a": "ten"}), "cannot be used as a codec"),
    "a list of shapes": (lambda s: s.update(shapes=[10]), "cannot be used as a codec"),
    "shapes of texts": (lambda s: s.update(shapes={"a": ("x", 1 << 40)}), "of whole numbers"),
    "a format in words": (lambda s: s.update(format=["one"]), "is of another; go on"),
    "a view": (
        lambda s: s.update(parameters=torch.zeros(1).expand(1 << 34)),
        "stand for more bytes than it has",
    ),
}


@pytest.mark.parametrize("what", CRAFTED)
def test_a_crafted_one_is_a_sentence(what: str, tmp_path: Path) -> None:
    change, sentence = CRAFTED[what]
    crafted = state()
    change(crafted)
    with pytest.raises(StudyError, match=sentence) as refused:
        read_codec(written(tmp_path / "epoch-0002.pt", crafted))
    assert "\n" not in str(refused.value)


def test_one_that_has_diverged_is_written_and_not_taken(tmp_path: Path) -> None:
    """Training writes what it has; only who takes it home is told."""
    file = tmp_path / "epoch-0002.pt"
    write_codec(file, 1, 2, with_weight(math.inf), SHAPES)
    with pytest.raises(StudyError, match=r"the codec has diverged.; choose another trial or epoch"):
        read_codec(file)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x" * 500, b"\x80\x02." * 9])
def test_what_is_no_codec_at_all_is_a_sentence(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "epoch-0002.pt"
    file.write_bytes(hashlib.sha256(content).hexdigest().encode() + content)
    with pytest.raises(StudyError, match="is damaged or no codec"):
        read_codec(file)
