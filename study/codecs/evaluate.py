"""A codec of ours, measured by what its files cost and keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.bag.codec import BagCodec
from model.octree.codec import OctreeCodec
from study.base.errors import StudyError
from study.codecs.evaluation import Evaluation, RatePoint, require_measurable
from study.metrics import PsnrConvention
from study.metrics.measurement import measure_clouds
from study.metrics.sample import Convention

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from model.codec_folder import AnyCodec
    from study.clouds import Cloud

DEFAULT_CONVENTION = PsnrConvention()


def evaluate(
    codec: AnyCodec,
    clouds: Mapping[str, Cloud],
    *,
    name: str | None = None,
    convention: PsnrConvention = DEFAULT_CONVENTION,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Compress and decompress every cloud, and measure; one operating point.

    Args:
        codec: what `model.codec_folder.load_codec` returns.
        clouds: by name. Without normals there is no D2, and a codec that codes them refuses.
        name: of the codec in the result; None takes its id.
        convention: of the PSNRs.
        progress: called with how many clouds are done, and of how many.

    Raises:
        StudyError: no clouds, one without extent, or one without the normals that the codec codes.
        CodecError: the codec cannot code one of the clouds.
    """
    require_measurable(clouds)
    _check_normals(clouds, codes_normals=codec.codes_normals)
    results = []
    for result in measure_clouds(codec, list(clouds.items()), Convention(convention)):
        results.append(result)
        if progress is not None:
            progress(len(results), len(clouds))
    identity = codec.codec_id.hex()
    what, setting = _told(codec)
    return Evaluation(
        name=name or identity,
        description=what,
        convention=convention,
        points=(RatePoint(setting, tuple(results)),),
    )


def _told(codec: AnyCodec) -> tuple[str, str]:
    """Describe a codec, and the one setting it is measured at."""
    identity = codec.codec_id.hex()
    if isinstance(codec, OctreeCodec):
        return codec.description, codec.options.setting
    if isinstance(codec, BagCodec):
        return (
            f"codec {identity} with the members learned and octree",
            f"{codec.slope:.3g} bpp for a decibel",
        )
    normals = "with normals" if codec.codes_normals else "without normals"
    return f"learned codec {identity}, {normals}", "as trained"


def _check_normals(clouds: Mapping[str, Cloud], *, codes_normals: bool) -> None:
    bare = [name for name, cloud in clouds.items() if cloud.normals is None]
    if codes_normals and bare:
        raise StudyError(
            "this codec codes normals, so every cloud must have them, but "
            f"{', '.join(bare)} {'has' if len(bare) == 1 else 'have'} none; "
            "leave them out, or take a codec without normals"
        )
