"""Checkpoints of the published D-PCC code, made codecs of ours, and the way back.

A published checkpoint is two files: a ``state_dict``, and the arguments that it was trained with
as JSON, both under the published names.
"""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import ValidationError

from model.cloud_codec import CloudCodec
from model.codec_folder import load_codec, save_codec
from model.patch_coder import PatchCoder, Tables
from model.published import load_published, to_published
from model.table_checks import check_tables
from study.base.errors import StudyError
from study.base.output import check_free, new_file
from study.config.sentences import describe
from study.families.dpcc.settings import ModelSection
from study.training.checkpoint import load_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from model.codec import Codec
    from model.config import ModelConfig
    from model.partition import PartitionConfig

_BLOCKS = ("feats_eblock", "xyzs_eblock")
"""The published bottlenecks: of the features, and of the coordinates where those are learned."""

_CDF, _LENGTH, _OFFSET = "_quantized_cdf", "_cdf_length", "_offset"
_CONSTANTS = ("target", "likelihood_lower_bound.bound")
"""Buffers of CompressAI's bottleneck: the range coder's tables, and what is the same in all."""

_DIRECTIONS = "candidate_vecs"
"""The published decoder's directions, a constant that some versions of the code store."""

# Every perceptron with a normalisation has it second. The published code convolves over points, but
# over (neighbours or children, points) in the networks below: then weights have one more axis.
_OF_NORMALISATION = re.compile(r"\.1\.weight$")
_OVER_TWO_AXES = re.compile(r"conv_delta|conv_gamma|position_embedding_nn|\.mlp\.|\bconv\.\d")


def import_checkpoint(
    checkpoint: Path, arguments: Path, folder: Path, partition: PartitionConfig
) -> CloudCodec:
    """Write a codec folder from a published checkpoint.

    The range coder's tables are the checkpoint's own where it has them and they follow from its
    quantiles; else they are computed, and the quantiles set, as at the end of a training here.

    Args:
        checkpoint: the ``state_dict``; read without running anything that it may contain.
        arguments: the JSON file.
        folder: where the codec is written; must not exist yet.
        partition: how clouds are cut, of which a checkpoint says nothing.

    Raises:
        StudyError: a file cannot be read, the two do not belong together, or the arguments ask for
            what no codec of ours does.
        CodecError: the folder exists or cannot be written.
    """
    given = _read_arguments(arguments)
    config = _architecture(given, str(arguments))
    state = _read_state(checkpoint)
    codec = _load(state, config, f"{checkpoint} and {arguments}")
    tables = _tables(state, codec)
    coder = PatchCoder.freeze(codec) if tables is None else PatchCoder(codec, tables)
    imported = CloudCodec(coder, partition)
    about = {
        "source": "a published D-PCC checkpoint",
        "checkpoint": checkpoint.name,
        "tables": "computed at the import" if tables is None else "the checkpoint's own",
        "published_arguments": given,
    }
    save_codec(imported, folder, about)
    return imported


def export_checkpoint(
    folder: Path, checkpoint: Path, arguments: Path | None, *, force: bool
) -> None:
    """Write a codec as a published checkpoint, its tables included.

    Args:
        folder: the codec.
        checkpoint: where the ``state_dict`` is written.
        arguments: where its arguments are written, if anywhere.
        force: whether files that are there already may be replaced.

    Raises:
        CodecError: the codec cannot be read.
        StudyError: the codec is none that the published network could run, a file exists already,
            or cannot be written.
    """
    saved = load_codec(folder)
    coder = saved.learned.coder
    if (norm := coder.config.norm) != "published":
        raise StudyError(
            "the published network normalises over all pairs of points, so that it can run codecs "
            f"of model.norm: published only, and {folder} has {norm}; train one with that setting"
        )
    for path in filter(None, (checkpoint, arguments)):
        check_free(path, force=force)
    with new_file(checkpoint, force=force) as partial:
        torch.save(published_state(coder), partial)
    if arguments is not None:
        known = saved.about.get("published_arguments", {})
        text = json.dumps({**known, **published_arguments(coder.config)}, indent=1)
        with new_file(arguments, force=force) as partial:
            partial.write_text(text + "\n", encoding="utf-8")


def published_state(coder: PatchCoder) -> dict[str, Tensor]:
    """A codec as a published ``state_dict``: its names, shapes, types and buffers."""
    codec, config = coder.codec, coder.config
    parameters = {name: tensor.detach().cpu() for name, tensor in codec.named_parameters()}
    state = {
        name: _in_published_shape(name, tensor).contiguous()
        for name, tensor in to_published(parameters, config).items()
    }
    bottleneck = codec.bottleneck.channelwise
    tables = coder.tables
    for block, rows in _blocks(config).items():
        longest = int(tables.cdf_length[rows].max())
        state[f"{block}.{_CDF}"] = torch.tensor(tables.cdf[rows, :longest])
        state[f"{block}.{_LENGTH}"] = torch.tensor(tables.cdf_length[rows])
        state[f"{block}.{_OFFSET}"] = torch.tensor(tables.offset[rows])
        for name in _CONSTANTS:
            state[f"{block}.{name}"] = bottleneck.get_buffer(name).detach().cpu().clone()
    return state


def published_arguments(config: ModelConfig) -> dict[str, Any]:
    """An architecture under the published names of its arguments."""
    ours = asdict(config)
    # The published network knows one way only.
    del ours["norm"]
    return {
        **ours,
        "layer_num": config.stages,
        "ngroups": 1,
        "in_fdim": config.input_channels,
    }


def _in_published_shape(name: str, tensor: Tensor) -> Tensor:
    """Return one of `to_published`'s parameters in its very shape."""
    if name.startswith(_BLOCKS):
        return tensor
    if not name.endswith(".weight") or _OF_NORMALISATION.search(name):
        return tensor.flatten()
    return tensor[..., None, None] if _OVER_TWO_AXES.search(name) else tensor[..., None]


def _blocks(config: ModelConfig) -> dict[str, slice]:
    """Return the published bottlenecks of an architecture, and which rows of ours each one has."""
    rows = range(0, config.symbol_channels, config.dim)
    return {name: slice(row, row + config.dim) for name, row in zip(_BLOCKS, rows, strict=False)}


def _read_arguments(path: Path) -> dict[str, Any]:
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StudyError(
            f"the arguments of a checkpoint are a JSON file, and {path} cannot be read as one: "
            f"{error}"
        ) from error
    if not isinstance(given, dict):
        raise StudyError(f"the arguments of a checkpoint are names and values, and {path} has none")
    return given


def _architecture(given: Mapping[str, Any], origin: str) -> ModelConfig:
    """Return what shapes the codec; the other arguments are about training and are only kept.

    Raises:
        StudyError: one is missing, or has a value that no codec of ours does.
    """
    ours = ModelSection.model_fields.keys() - {"norm"}
    names = [*ours, "layer_num", "ngroups", "in_fdim"]
    if missing := sorted(name for name in names if name not in given):
        raise StudyError(
            f"the arguments must say what the codec looks like, and {origin} lacks "
            f"{', '.join(missing)}; add what the checkpoint was trained with"
        )
    chosen = {name: given[name] for name in ours} | {"norm": "published"}
    try:
        config = ModelSection.model_validate_json(json.dumps(chosen), strict=True).build()
    except ValidationError as error:
        raise StudyError(describe(error, origin)) from error
    for name, value in published_arguments(config).items():
        if name not in chosen and given[name] != value:
            raise StudyError(
                f"{origin}: {name} must be {value} with the other arguments, for no codec of ours "
                f"does anything else, and is {given[name]!r}"
            )
    return config


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StudyError(f"the checkpoint {path} cannot be read: {error.strerror}") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Remarks about pickles that it then refuses.
            state = load_tensors(content, str(path))
    except StudyError:
        raise
    except Exception as error:  # Whatever the damage happens to hit.
        raise StudyError(
            f"a checkpoint must hold tensors and nothing that would have to be run, and {path} is "
            "damaged or holds something else"
        ) from error
    if not isinstance(state, dict) or not all(map(_is_plain, state.values())):
        raise StudyError(
            f"a published checkpoint is a state_dict, names and plain tensors of real numbers, and "
            f"{path} is not; save the model's state_dict()"
        )
    return state


def _is_plain(value: object) -> bool:
    return (
        isinstance(value, torch.Tensor)
        and value.layout is torch.strided
        and not (value.is_complex() or value.is_quantized or value.is_meta)
    )


def _load(state: Mapping[str, Tensor], config: ModelConfig, origin: str) -> Codec:
    """Return a population of one, after a look at whether everything in the state was read."""
    try:
        codec = load_published(state, config)
    except ValueError as error:
        raise StudyError(f"{origin} must belong together: {error}") from error
    except RuntimeError as error:  # PyTorch's for want of memory: a width with zeros too many.
        raise StudyError(f"{origin}: such a codec cannot be made here: {error}") from error
    known = set(to_published(dict(codec.named_parameters()), config))
    for block in _blocks(config):
        known.update(f"{block}.{name}" for name in (_CDF, _LENGTH, _OFFSET, *_CONSTANTS))
    unread = sorted(n for n in state.keys() - known if not n.endswith(_DIRECTIONS))
    if unread:
        raise StudyError(
            f"{origin} must belong together, and these arguments make no codec with {unread[0]} "
            f"({len(unread)} such names)"
        )
    if not all(bool(parameter.isfinite().all()) for parameter in codec.parameters()):
        raise StudyError(f"{origin}: a weight is not a finite number: the codec has diverged")
    return codec


def _tables(state: Mapping[str, Tensor], codec: Codec) -> Tables | None:
    """Return the tables of a checkpoint; None where it has none that follow from its quantiles."""
    try:
        cdfs, lengths, offsets = (
            [state[f"{block}.{name}"].numpy() for block in _blocks(codec.config)]
            for name in (_CDF, _LENGTH, _OFFSET)
        )
        longest = max(cdf.shape[1] for cdf in cdfs)
        rows = [np.pad(cdf, ((0, 0), (0, longest - cdf.shape[1]))) for cdf in cdfs]
        tables = Tables(np.concatenate(rows), np.concatenate(lengths), np.concatenate(offsets))
        check_tables(tables, codec.config.symbol_channels)
    except (KeyError, IndexError, ValueError):  # Absent, empty (never updated), or malformed.
        return None
    lower, median, upper = codec.bottleneck.channelwise.quantiles.detach()[:, 0].T.numpy()
    below, above = np.ceil(median - lower).clip(0), np.ceil(upper - median).clip(0)
    follow = (tables.offset == -below).all() and (tables.cdf_length == below + above + 3).all()
    return tables if follow else None
