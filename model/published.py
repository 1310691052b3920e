"""Checkpoints of the published implementation, read by its own key names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch

from model.codec import Codec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from model.config import ModelConfig

# (pattern of ours, published replacement), tried in order; the rest of a name is kept.
_PERCEPTRON = ((r"hidden\.linear\.", "0."), (r"hidden\.scale$", "1.weight"),
               (r"hidden\.shift$", "1.bias"), (r"output\.", "3."))  # fmt: skip
_PLAIN = ((r"hidden\.", "0."), (r"output\.", "2."))
_EDGES = ((r"edges\.hidden\.", "conv.0."), (r"edges\.output\.", "conv.2."))
_PREFIXES = (
    (r"^encoder\.embed\.", "pre_conv.", _PERCEPTRON),
    (r"^encoder\.stages\.(\d+)\.mix\.", r"encoder.encoder_layers.\1.pre_conv.", ()),
    (r"^encoder\.stages\.(\d+)\.fuse\.", r"encoder.encoder_layers.\1.post_conv.", ()),
    (r"^encoder\.stages\.(\d+)\.density\.",
     r"encoder.encoder_layers.\1.density_embedding_nn.pre_nn.", _PERCEPTRON),
    (r"^encoder\.stages\.(\d+)\.position\.embed\.",
     r"encoder.encoder_layers.\1.position_embedding_nn.pre_nn.", _PERCEPTRON),
    (r"^encoder\.stages\.(\d+)\.position\.weigh\.",
     r"encoder.encoder_layers.\1.position_embedding_nn.attn_nn.", _PERCEPTRON),
    (r"^encoder\.stages\.(\d+)\.ancestor\.", r"encoder.encoder_layers.\1.feats_agg_nn.", (
        (r"query\.", "w_qs."), (r"key\.", "w_ks."), (r"value\.", "w_vs."),
        (r"position\.hidden\.linear\.", "conv_delta.0."),
        (r"position\.hidden\.scale$", "conv_delta.1.weight"),
        (r"position\.hidden\.shift$", "conv_delta.1.bias"),
        (r"position\.output\.", "conv_delta.3."),
        (r"logits_hidden\.linear\.", "conv_gamma.0."),
        (r"logits_hidden\.scale$", "conv_gamma.1.weight"),
        (r"logits_hidden\.shift$", "conv_gamma.1.bias"),
        (r"logits\.", "conv_gamma.3."), (r"output\.", "post_conv."))),
    (r"^coordinate_analysis\.", "latent_xyzs_analysis.", _EDGES + _PERCEPTRON),
    (r"^coordinate_synthesis\.", "latent_xyzs_synthesis.", _EDGES + _PERCEPTRON),
    (r"^decoder\.stages\.(\d+)\.count\.", r"decoder.decoder_layers.\1.1.upsample_num_nn.", _PLAIN),
    *(
        (rf"^decoder\.stages\.(\d+)\.{ours}\.{part}\.{kind_of_ours}\.",
         rf"decoder.decoder_layers.\1.{theirs}.{network}.{kind_of_theirs}.", inner)
        for kind_of_ours, kind_of_theirs, inner in (("perceptron", "mlp", _PLAIN),
                                                    ("convolution", "edge_conv", _EDGES))
        for ours, theirs, kind in (("place", 0, "upsample"), ("refine", 2, "refine"))
        for part, network in (("direction", f"xyzs_{kind}_nn.weight_nn"),
                              ("length", f"xyzs_{kind}_nn.scale_nn"),
                              ("features", f"feats_{kind}_nn.feats_nn"))
    ),
)  # fmt: skip


_BOTTLENECK = "bottleneck.channelwise."
_HALVES = ("feats_eblock.", "xyzs_eblock.")


def to_published(tensors: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Parameters of a population of one, or their gradients, under the published names.

    Shapes are the published ones but for trailing axes of length 1 in convolution weights.
    """
    published = {}
    for name, tensor in tensors.items():
        if name.startswith(_BOTTLENECK):
            # Ours holds the channels of both published bottlenecks (or of the features' alone).
            halves = _HALVES[: len(tensor) // config.dim]
            for half, part in zip(halves, tensor.split(config.dim), strict=True):
                published[half + name.removeprefix(_BOTTLENECK)] = part
        else:
            # Our weights are multiplied from the right.
            published[_published_name(name)] = tensor[0].T
    return published


def _published_name(name: str) -> str:
    for prefix, published, inner in _PREFIXES:
        match = re.match(prefix, name)
        if match is None:
            continue
        rest = name[match.end() :]
        for pattern, replacement in inner:
            rest, hits = re.subn(f"^{pattern}", replacement, rest)
            if hits:
                break
        return match.expand(published) + rest
    message = f"no published counterpart is known of the parameter {name}"
    raise AssertionError(message)


def load_published(state: Mapping[str, Tensor], config: ModelConfig) -> Codec:
    """A population of one from a published ``state_dict``.

    Args:
        state: as ``torch.load(path, weights_only=True)`` gives it.
        config: the architecture that it was trained with.

    Raises:
        ValueError: a parameter is missing or has another shape, or the architecture normalises
            otherwise than the published network.
    """
    if config.norm != "published":
        raise ValueError(
            f"the published network has norm 'published', not {config.norm!r}: its weights would "
            "make another codec; load them with that"
        )
    # Shapes are compared before any memory is taken: a width may be any number.
    with torch.device("meta"):
        expected = to_published(dict(Codec(config).named_parameters()), config)
    for name, parameter in expected.items():
        if name not in state:
            message = (
                f"a published checkpoint must hold {name}; this one does not: check that it "
                "was trained with the same architecture"
            )
            raise ValueError(message)
        if state[name].numel() != parameter.numel():
            message = (
                f"{name} must have {parameter.numel()} entries, as {tuple(parameter.shape)}, "
                f"and has the shape {tuple(state[name].shape)}: check dim and hidden_dim"
            )
            raise ValueError(message)
    codec = Codec(config)
    with torch.no_grad():
        # Views: what is written into them is written into the codec.
        for name, parameter in to_published(dict(codec.named_parameters()), config).items():
            parameter.copy_(state[name].reshape(parameter.shape))
    return codec
