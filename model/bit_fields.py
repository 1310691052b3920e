"""Small numbers in the heads of files: of few bits, or of as many bytes as they need."""

from __future__ import annotations

from model.errors import DamagedFileError

Bytes = bytes | bytearray | memoryview

_LONGEST = 60
"""Bits of a number whose length is sent."""


def varint(number: int) -> bytes:
    """Return an unsigned number, 7 bits a byte, the lowest first, in the fewest bytes."""
    digits = bytearray()
    while number >= 0x80:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])


def zigzag(number: int) -> int:
    """Return 0, 1, 2, 3, 4 ... for 0, -1, 1, -2, 2 ..."""
    return 2 * abs(number) - (number < 0)


def from_zigzag(code: int) -> int:
    """Return the number whose :func:`zigzag` this is."""
    return -(code + 1 >> 1) if code & 1 else code >> 1


def impossible(what: str) -> DamagedFileError:
    """Return the error about what no encoder writes."""
    return DamagedFileError(
        f"no encoder writes such a file: it has {what}; it was made up or changed, get it anew"
    )


class BitWriter:
    """Puts numbers together.

    Attributes:
        length: bits so far.
    """

    def __init__(self) -> None:
        self.length = 0
        self._bits = 0

    def write(self, number: int, width: int) -> None:
        """Write a number from 0 to `2^width - 1`."""
        assert 0 <= number < 1 << width, f"{number} has no {width} bits"
        self._bits = self._bits << width | number
        self.length += width

    def signed(self, number: int) -> None:
        """Write any number of up to 60 bits.

        Its zigzag has `w` bits without leading zeros, and `w + 1` has `k + 1`. First come `k` ones
        and a zero, then the last `k` bits of `w + 1`, then the last `w - 1` of the zigzag.
        """
        code = zigzag(number)
        width = code.bit_length()
        extra = (width + 1).bit_length() - 1
        self.write((1 << extra + 1) - 2, extra + 1)
        self.write(width + 1 - (1 << extra), extra)
        if width > 1:
            self.write(code - (1 << width - 1), width - 1)

    def finish(self) -> bytes:
        """Return all bits, and zeros up to a whole byte."""
        spare = -self.length % 8
        return (self._bits << spare).to_bytes((self.length + spare) // 8, "big")


class BitReader:
    """Reads numbers off a text of bytes.

    Every method raises :class:`DamagedFileError` where the bytes end too early.

    Attributes:
        position: the byte after the last one that was looked into.
    """

    def __init__(self, content: bytes, start: int = 0) -> None:
        self.position = start
        self._content = content
        self._bits = 0
        self._spare = 0

    def read(self, width: int) -> int:
        """Read a number of so many bits."""
        while self._spare < width:
            self._bits = self._bits << 8 | self._byte()
            self._spare += 8
        self._spare -= width
        number = self._bits >> self._spare
        self._bits &= (1 << self._spare) - 1
        return number

    def signed(self) -> int:
        """Read what :meth:`BitWriter.signed` wrote."""
        extra = 0
        while self.read(1):
            extra += 1
            if 1 << extra > _LONGEST + 1:
                raise impossible("a number that is too large")
        width = (1 << extra) + self.read(extra) - 1
        if width > _LONGEST:
            raise impossible("a number that is too large")
        code = (1 << width - 1) + self.read(width - 1) if width else 0
        return from_zigzag(code)

    def take(self, count: int) -> bytes:
        """Read whole bytes; the bits before must be whole bytes too."""
        return bytes(self._byte() for _ in range(count))

    def varint(self, most: int) -> int:
        """Read what :func:`varint` wrote, a number up to `most`."""
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if value > most or most >> shift == 0 or (byte == 0 and shift):
                raise impossible("a number that is too large or too long")
            if byte < 0x80:
                return value
            shift += 7

    def finish(self) -> int:
        """Return the bits that are left of the last byte."""
        return self._bits

    def _byte(self) -> int:
        if self.position >= len(self._content):
            raise impossible("its end within the header")
        self.position += 1
        return self._content[self.position - 1]
