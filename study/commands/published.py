"""`study import-checkpoint`: checkpoints of the published D-PCC code as codecs, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from model.partition import PartitionConfig, usual_voxel_depth
from study.commands.declared.codecs import PUBLISHED_CUBE_SIZE
from study.families.dpcc.published_checkpoint import export_checkpoint, import_checkpoint

if TYPE_CHECKING:
    import argparse

    from rich.console import Console


def convert(arguments: argparse.Namespace, console: Console) -> int:
    """Make a codec of a checkpoint, or with ``--export`` a checkpoint of a codec."""
    source, out = arguments.source, arguments.out
    if arguments.export:
        export_checkpoint(source, out, arguments.arguments, force=arguments.force)
        console.print(f"[bold]{escape(str(out))}[/]", soft_wrap=True)
        return 0
    given = arguments.cube_size
    cube_size = PUBLISHED_CUBE_SIZE if given is None else given
    partition = PartitionConfig(cube_size, voxel_depth=usual_voxel_depth(cube_size))
    codec = import_checkpoint(source, arguments.arguments, out, partition)
    console.print(f"[bold]{escape(str(out))}[/]  codec {codec.codec_id.hex()}", soft_wrap=True)
    return 0
