from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from model.compressai_parts import EntropyBottleneck
from model.errors import DamagedFileError
from model.rans import AdaptiveBit, SymbolReader, SymbolWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Tables:
    cdf: NDArray[np.int32]
    cdf_length: NDArray[np.int32]
    offset: NDArray[np.int32]


def random_tables(draw: np.random.Generator, columns: int) -> Tables:
    """Tables of 1 to 40 values and the slot for all others."""
    lengths = draw.integers(3, 43, columns)
    cdf = np.zeros((columns, lengths.max()), dtype=np.int32)
    for row, length in zip(cdf, lengths, strict=True):
        cuts = draw.choice(np.arange(1, 65536), length - 2, replace=False)
        row[:length] = [0, *np.sort(cuts), 65536]
    return Tables(cdf, lengths.astype(np.int32), draw.integers(-30, 5, columns).astype(np.int32))


def draw_symbols(draw: np.random.Generator, tables: Tables, rows: int) -> NDArray[np.int32]:
    """Symbols as likely as the tables say; the last slot gives values on both sides."""
    columns = []
    for cdf, length, offset in zip(tables.cdf, tables.cdf_length, tables.offset, strict=True):
        slot = np.searchsorted(cdf[:length], draw.integers(0, 65536, rows), side="right") - 1
        far = np.where(draw.random(rows) < 0.5, -1, length - 2) * draw.integers(1, 99, rows)
        columns.append(np.where(slot == length - 2, far, slot) + offset)
    symbols: NDArray[np.int32] = np.stack(columns, axis=1).astype(np.int32)
    return symbols


def test_all_kinds_come_back(seed: int) -> None:
    draw = np.random.default_rng(seed)
    tables = random_tables(draw, 7)
    symbols = draw_symbols(draw, tables, 200)
    bits = draw.integers(0, 2, 300).tolist()
    counts = [1, 2, 3, 300, 65535, 65536]
    values = [int(draw.integers(count)) for count in counts] + [0, 65535]
    counts += [65536, 65536]
    small, large = draw.integers(0, 256, 50, np.uint8), draw.integers(0, 65536, 50, np.uint16)

    writer, model = SymbolWriter(), AdaptiveBit()
    for bit in bits:
        writer.bit(bit, model)
    writer.table(symbols, tables)
    for value, count in zip(values, counts, strict=True):
        writer.choice(value, count)
    writer.uniform(small)
    writer.uniform(large)
    writer.table(symbols[:0], tables)
    stream = writer.finish()

    reader, model = SymbolReader(stream), AdaptiveBit()
    assert [reader.bit(model) for _ in bits] == bits
    np.testing.assert_array_equal(reader.table(len(symbols), tables), symbols)
    assert [reader.choice(count) for count in counts] == values
    np.testing.assert_array_equal(reader.uniform_bytes(50), small)
    np.testing.assert_array_equal(reader.uniform_words(50), large)
    assert reader.table(0, tables).shape == (0, 7)
    assert reader.finish() == 0


@pytest.mark.parametrize("rows", [1, 40, 1500])
def test_length_is_the_information(rows: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    tables = random_tables(draw, 5)
    symbols = draw_symbols(draw, tables, rows)
    writer = SymbolWriter()
    writer.table(symbols, tables)
    length = len(writer.finish())
    assert abs(length - writer.bits / 8) <= 0.01 * writer.bits / 8 + 8


def test_a_symbol_costs_what_its_table_says(seed: int) -> None:
    draw = np.random.default_rng(seed)
    tables = random_tables(draw, 1)
    for slot in range(int(tables.cdf_length[0]) - 2):
        writer = SymbolWriter()
        writer.table(np.array([[slot + tables.offset[0]]], np.int32), tables)
        share = (tables.cdf[0, slot + 1] - tables.cdf[0, slot]) / 65536
        assert writer.bits == pytest.approx(-np.log2(share))


def test_a_flush_costs_48_bits_on_average(seed: int) -> None:
    draw = np.random.default_rng(seed)
    excess = []
    for _ in range(400):
        writer = SymbolWriter()
        for _ in range(draw.integers(1, 60)):
            writer.choice(0, int(draw.integers(2, 1000)))
        excess.append(8 * len(writer.finish()) - writer.bits)
    assert np.mean(excess) == pytest.approx(48.0, abs=3.0)


def test_one_value_costs_next_to_nothing() -> None:
    writer, model = SymbolWriter(), AdaptiveBit()
    for _ in range(1000):
        writer.bit(1, model)
    assert writer.bits < 35.0
    for _ in range(1000):
        writer.choice(0, 1)
    assert writer.bits < 35.0


@pytest.mark.parametrize("value", [2**20, -(2**20)])
def test_symbols_far_outside_their_table(value: int) -> None:
    tables = random_tables(np.random.default_rng(0), 1)
    symbols = np.array([[value], [0], [value]], dtype=np.int32)
    writer = SymbolWriter()
    writer.table(symbols, tables)
    reader = SymbolReader(writer.finish())
    np.testing.assert_array_equal(reader.table(3, tables), symbols)
    assert reader.finish() == 0


def test_the_coder_is_compressais(seed: int) -> None:
    """Our stream is read by its decoder, and its stream by ours."""
    assert EntropyBottleneck  # imports the package without its front door
    from compressai.ans import BufferedRansEncoder, RansDecoder

    draw = np.random.default_rng(seed)
    tables = random_tables(draw, 3)
    rows = draw_symbols(draw, tables, 500)
    # Escapes are coded in different ways: none here.
    inside = np.clip(rows, tables.offset, tables.offset + tables.cdf_length - 3).astype(np.int32)
    cdfs = [row[:n].tolist() for row, n in zip(tables.cdf, tables.cdf_length, strict=True)]
    index = list(range(3)) * len(rows)
    arguments = (index, cdfs, tables.cdf_length.tolist(), tables.offset.tolist())

    writer = SymbolWriter()
    writer.table(inside, tables)
    ours = writer.finish()
    encoder = BufferedRansEncoder()
    encoder.encode_with_indexes(inside.ravel().tolist(), *arguments)
    assert encoder.flush() == ours
    decoder = RansDecoder()
    decoder.set_stream(ours)
    assert decoder.decode_stream(*arguments) == inside.ravel().tolist()


def test_any_change_of_a_stream_is_noticed_or_changes_the_symbols(seed: int) -> None:
    draw = np.random.default_rng(seed)
    values = draw.integers(0, 256, 64, np.uint8)
    writer = SymbolWriter()
    writer.uniform(values)
    stream = writer.finish()
    for position in range(len(stream)):
        changed = bytearray(stream)
        changed[position] ^= 1 << int(draw.integers(8))
        try:
            found = read_bytes(bytes(changed), 64)
        except DamagedFileError:
            continue
        assert not np.array_equal(found, values)


def read_bytes(stream: bytes, count: int) -> NDArray[np.uint8]:
    reader = SymbolReader(stream)
    found = reader.uniform_bytes(count)
    reader.finish()
    return found


def test_a_stream_that_ends_early_is_refused() -> None:
    writer = SymbolWriter()
    writer.uniform(np.arange(100, dtype=np.uint8))
    stream = writer.finish()
    for length in range(len(stream)):
        with pytest.raises(DamagedFileError, match=r"must (have 8 bytes|hold all|end where)"):
            read_bytes(stream[:length], 100)


def test_what_follows_the_symbols_is_zero_or_refused() -> None:
    stream = SymbolWriter().finish()
    assert len(stream) == 8
    assert SymbolReader(stream).finish() == 0
    assert SymbolReader(stream + bytes(12)).finish() == 3
    with pytest.raises(DamagedFileError, match="must end where the symbols end"):
        SymbolReader(stream + bytes(11) + b"x").finish()
    with pytest.raises(DamagedFileError, match="must end where the symbols end"):
        SymbolReader(b"\1" + stream[1:]).finish()


def test_an_endless_escape_is_refused() -> None:
    cdf = np.array([[0, 32768, 65536]], np.int32)
    tables = Tables(cdf, np.array([3], np.int32), np.zeros(1, np.int32))
    writer = SymbolWriter()
    for _ in range(200):
        writer.choice(1, 2)
    reader = SymbolReader(writer.finish())
    with pytest.raises(DamagedFileError, match=r"within 2\^24"):
        reader.table(1, tables)
