"""What can be wrong with what a codec is given.

Every message is a whole sentence: what must hold, what was given, and what to do.
"""

from __future__ import annotations


class CodecError(ValueError):
    """Something given to a codec cannot be used."""


class DamagedFileError(CodecError):
    """A compressed file that no encoder wrote: cut, changed on the way, or made up."""


class WrongCodecError(CodecError):
    """A compressed file that another codec wrote."""


class UncodableError(CodecError):
    """Latents that no range coder can take: the codec has diverged."""
