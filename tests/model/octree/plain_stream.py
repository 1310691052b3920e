"""The octree's stream by docs/format.md: written from that page alone, sharing no code."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import groupby, product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

Cell = tuple[int, int, int]
Arrays = dict[str, "NDArray[Any]"]

BEFORE = [step for step in product((-1, 0, 1), repeat=3) if step < (0, 0, 0)]
AFTER = [
    *product((1,), (-1, 0, 1), (-1, 0, 1)),
    *product((0,), (1,), (-1, 0, 1)),
    (0, 0, 1),
]
FACES, CORNERS = {4, 10, 12}, {0, 2, 6, 8}
EDGES = set(range(13)) - FACES - CORNERS
GROWTH = (110, 125, 145, 170, 200, 240, 280, 320, 360, 400, 450, 520)


def logit(i: int) -> int:
    q = (i + 0.5) / 4096
    below = math.floor(256 * math.log(q / (1 - q)))
    return min((below, below + 1), key=lambda t: abs(1 / (1 + math.exp(-t / 256)) - q))


def chance(t: int) -> int:
    return max(16, min(65520, round(65536 / (1 + math.exp(-t / 256)))))


def only(number: int, bits: set[int]) -> int:
    return sum(1 << bit for bit in bits if number >> bit & 1)


class RangeCoder:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.low, self.high, self.lost = 0, 2**32 - 1, 0
        self.code = int.from_bytes((data + bytes(4))[:4], "big")

    def bit(self, p: int) -> int:
        middle = self.low + (self.high - self.low) * p // 65536
        bit = int(self.code <= middle)
        self.low, self.high = (self.low, middle) if bit else (middle + 1, self.high)
        while self.low >> 24 == self.high >> 24:
            last = self.lost + 4
            byte = self.data[last] if last < len(self.data) else 0
            self.low = self.low % 2**24 * 256
            self.high = self.high % 2**24 * 256 + 255
            self.code = self.code % 2**24 * 256 + byte
            self.lost += 1
        return bit

    def end(self) -> None:
        tail = bytes([self.low // 2**24 + 1]) if self.low else b""
        assert self.data[self.lost :] == tail


@dataclass
class Slot:
    h: int = 2**16
    s: int = 0
    owner: int = 0


class Model:
    """Contexts and rows of one kind of bits, from a codec's arrays or from nothing."""

    def __init__(self, coder: RangeCoder, contexts: int, first: int, arrays: Arrays | None) -> None:
        self.coder = coder
        self.slots: list[dict[int, Slot]] = [defaultdict(Slot) for _ in range(contexts)]
        self.weights: dict[int, list[int]] = {}
        self.first, self.contexts, self.arrays = first, contexts, arrays
        self.width = 14 if contexts == 8 else 12
        if arrays:
            for k, slots in enumerate(self.slots):
                columns = (arrays[name][k].tolist() for name in ("chance", "seen", "whose"))
                for number, (h, s, owner) in enumerate(zip(*columns, strict=True)):
                    slots[number] = Slot(2 * h, s, owner)

    def row(self, number: int) -> list[int]:
        if number not in self.weights:
            usual = [self.first if number < 64 else 0] * self.contexts
            self.weights[number] = self.arrays["weights"][number].tolist() if self.arrays else usual
        return self.weights[number]

    def bit(self, contexts: list[int], rows: list[int]) -> int:
        found = []
        for slots, context in zip(self.slots, contexts, strict=True):
            mixed = context * 0x9E3779B97F4A7C15 % 2**64
            slot = slots[mixed >> 64 - self.width]
            owner = mixed >> 56 - self.width & 255
            if slot.owner != owner:
                slot.h, slot.s, slot.owner = 2**16, 0, owner
            found.append(slot)
        logits = [logit(slot.h // 32) for slot in found]
        weights = [self.row(number) for number in rows]
        total = sum(el * sum(row[k] for row in weights) for k, el in enumerate(logits))
        p = chance(max(-3071, min(3071, total // 65536)))
        bit = self.coder.bit(p)
        error = 65536 * bit - p
        for row in weights:
            for k, el in enumerate(logits):
                row[k] = max(-(2**22), min(2**22, row[k] + (el * error + 32768) // 65536))
        for slot in found:
            target = 2**17 - 1 if bit else 0
            slot.h += (target - slot.h) * (655360 // (10 * slot.s + 16)) // 65536
            slot.s = min(slot.s + 1, 127)
        return bit


@dataclass
class Found:
    voxels: list[Cell] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)


def morton(cell: Cell) -> int:
    return sum(
        (c >> bit & 1) << 3 * bit + 2 - axis for axis, c in enumerate(cell) for bit in range(21)
    )


def add(cell: Cell, step: tuple[int, ...]) -> Cell:
    return cell[0] + step[0], cell[1] + step[1], cell[2] + step[2]


def blocks(cells: list[Cell], side_bits: int) -> list[list[Cell]]:
    """The cells of each block, blocks and cells along the Morton curve."""

    def of(cell: Cell) -> Cell:
        return cell[0] >> side_bits, cell[1] >> side_bits, cell[2] >> side_bits

    ordered = sorted(cells, key=morton)
    return [list(block) for _, block in groupby(ordered, key=of)]


def read(
    data: bytes, depth: int, box: Cell, *, counted: bool, tables: dict[str, Arrays] | None = None
) -> Found:
    coder = RangeCoder(data)
    occupancy = Model(coder, 8, 14_000, tables and tables["occupancy"])
    nodes: list[Cell] = [(0, 0, 0)]
    before = 1
    for level in range(depth):
        growth = 0
        if level >= 2:
            growth = 1 + sum(100 * len(nodes) >= percent * before for percent in GROWTH)
        before = len(nodes)
        children: list[Cell] = []
        for block in blocks(nodes, min(level, 7)):
            children += read_block(occupancy, block, level, depth, box, growth)
        nodes = sorted(children, key=morton)
    found = Found(nodes)
    if counted:
        numbers = read_counts(Model(coder, 6, 16_000, tables and tables["count"]), nodes, depth)
        found.numbers = [numbers[voxel] for voxel in nodes]
    coder.end()
    return found


def read_block(
    model: Model, nodes: list[Cell], level: int, depth: int, box: Cell, growth: int
) -> set[Cell]:
    scale = 2 ** (depth - level - 1)
    there = set(nodes)
    known: set[Cell] = set()
    family: dict[Cell, list[Cell]] = {}
    for x, y, z in nodes:
        mine = [(2 * x + a, 2 * y + b, 2 * z + c) for a, b, c in product((0, 1), repeat=3)]
        within = [m for m in mine if all(c * scale < side for c, side in zip(m, box, strict=True))]
        family[x, y, z] = within
    for child in sorted(each for mine in family.values() for each in mine):
        node = (child[0] // 2, child[1] // 2, child[2] // 2)
        mine = family[node]
        is_implied = child == mine[-1] and not any(other in known for other in mine)
        if is_implied or model.bit(*contexts(child, node, there, known, level, growth)):
            known.add(child)
    return known


def contexts(
    child: Cell, node: Cell, there: set[Cell], known: set[Cell], level: int, g: int
) -> tuple[list[int], list[int]]:
    c = 4 * (child[0] % 2) + 2 * (child[1] % 2) + child[2] % 2
    k = sum(int(add(child, step) in known) << bit for bit, step in enumerate(BEFORE))
    q = 0
    for bit, step in enumerate(AFTER):
        x, y, z = add(child, step)
        q |= ((x // 2, y // 2, z // 2) in there) << bit
    planes = []
    for dx, ys in ((-2, range(-2, 3)), (-1, range(-2, 3)), (0, range(-2, 1))):
        plane = 0
        for dy, dz in product(ys, range(-2, 3)):
            plane |= (add(child, (dx, dy, dz)) in known) << 5 * (max(ys) - dy) + dz + 2
        planes.append(plane)
    far, back, here = planes
    first = (2 * node[0], 2 * node[1], 2 * node[2])
    halves = product((0, 1), repeat=3)
    b = sum(int(add(first, half) in known) << n for n, half in enumerate(halves))
    around = [step for step in product((-1, 0, 1), repeat=3) if add(node, step) in there]
    r = sum(1 << 9 * x + 3 * y + z + 13 for x, y, z in around)
    crowd = sum(plane.bit_count() for plane in planes)
    d = sum(add(node, step) in there for step in product(range(-2, 3), repeat=3))
    kf, ke, kc = (only(k, bits) for bits in (FACES, EDGES, CORNERS))
    qf, qe = only(q, FACES), only(q, EDGES)
    siblings = b.bit_count()
    made = [
        k + (q << 13),
        b + (c << 8) + (only(r, {4, 10, 12, 14, 16, 22}) << 11),
        kf + ke + (qf << 13) + (c << 26),
        kf.bit_count()
        + (ke.bit_count() << 2)
        + (kc.bit_count() << 5)
        + (qf.bit_count() << 8)
        + (qe.bit_count() << 10)
        + (g << 13)
        + (min(siblings, 2) << 17),
        g + (c << 4) + (min(siblings, 4) << 7) + ((len(around) - 1) // 3 << 10),
        only(far, {7, 11, 12, 13, 17}) >> 7
        | only(back, {2, 10, 12, 14, 22}) << 9
        | only(here, {0, 1, 5, 7, 9, 11, 12, 13}) << 32
        | qf << 46,
        r + (c << 27),
        min(crowd, 31) + (min(d // 3, 31) << 5) + (kf.bit_count() << 10) + (g << 12),
    ]
    rows = [
        8 * c + siblings,
        64 + 4 * g + min(level, 3),
        120 + 16 * min(crowd, 15) + min(d // 4, 15),
    ]
    return made, rows


def class_of(sixteenths: int) -> int:
    if sixteenths < 16:
        return 1
    k = sixteenths.bit_length() - 1
    return min(63, 4 * (k - 4) + 1 + (sixteenths >> k - 2) % 4)


def read_counts(model: Model, voxels: list[Cell], depth: int) -> dict[Cell, int]:
    numbers: dict[Cell, int] = {}
    usual = 0
    for block in blocks(voxels, min(depth, 8)):
        there = set(block)
        classes: dict[Cell, int] = defaultdict(int)
        for voxel in sorted(block):
            near = sum(add(voxel, step) in there for step in product((-1, 0, 1), repeat=3))
            seen = [classes[add(voxel, step)] for step in BEFORE]
            fx, fy, fz = seen[4], seen[10], seen[12]
            a, f = sum(n > 0 for n in seen), sum(n > 0 for n in (fx, fy, fz))
            m = 2 * sum(seen) // a if a else 0
            fm = 2 * (fx + fy + fz) // f if f else 0
            r = class_of(usual)
            base = [
                m + (min(a, 3) << 8),
                fm + (f << 8) + (r // 4 << 16),
                r + (near << 8),
                near + (a << 8) + (m // 4 << 16),
                (fx + 1) // 2 + ((fy + 1) // 2 << 8) + ((fz + 1) // 2 << 16),
                m // 2 + (r // 2 << 8) + (near // 3 << 16),
            ]
            n = read_number(model, base, min(r, 31))
            numbers[voxel] = n
            usual += (16 * min(n, 2**20) - usual) // 16
            classes[voxel] = class_of(16 * min(n, 2**20))
    return numbers


def read_number(model: Model, base: list[int], run: int) -> int:
    def bit(w: int) -> int:
        return model.bit([each + (w << 32) for each in base], [min(w, 63), 64 + run])

    j = 0
    while bit(j):
        j += 1
    i = 1
    for number in reversed(range(j)):
        i = 2 * i + bit(64 + 8 * j + i if i < 8 else 512 + number)
    return i
