// The entropy coder of octrees: which voxels are occupied, and by how many points.
//
// The tree is coded level by level. A level's cells are coded in blocks of 256 cells a side, a block's
// row by row: so half of a cell's neighbours are known, and of the other half whether their parents are
// occupied. `model/octree/coding.py` says what the functions do; `model/octree/plain.py` is the same in
// Python, and tests hold the two together.

#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "mixing.hpp"

typedef int64_t Size;
typedef uint64_t Key;  // three numbers of 21 bits, interleaved

static const int BLOCK_BITS = 8;  // of cells whose neighbours are looked at together
static const int OCCUPANCY = 8, COUNTING = 6;  // contexts

struct Octree {
  Size depth;
  const Size* box;  // (3,)
  Constants constants;
  uint32_t *occupancy_slots, *count_slots;
  int32_t *occupancy_weights, *count_weights;
};

// Every third bit of a key, from the lowest on ("Interleave bits by Binary Magic Numbers", backwards).
static int32_t gather(Key key) {
  key &= 0x1249249249249249u;
  key = (key | key >> 2) & 0x10C30C30C30C30C3u;
  key = (key | key >> 4) & 0x100F00F00F00F00Fu;
  key = (key | key >> 8) & 0x001F0000FF0000FFu;
  key = (key | key >> 16) & 0x001F00000000FFFFu;
  return (int32_t)((key | key >> 32) & 0x1FFFFF);
}

// Bits of a cube of cells, with two zeros around. Along z they are bits of bytes; bytes with the same x and z lie
// side by side along y, so that rows are read eight at once.
struct Map {
  Size side = 0, rows = 0, plane = 0;
  std::vector<uint8_t> bytes;
  void resize(Size cells) {
    if (side == cells) return;
    side = cells, rows = side + 8, plane = ((side + 7) / 8 + 2) * rows;
    bytes.assign((side + 4) * plane, 0);
  }
  uint8_t& byte(Size x, Size y, Size z) { return bytes[(x + 2) * plane + ((z + 8) >> 3) * rows + y + 2]; }
  void set(Size x, Size y, Size z) { byte(x, y, z) |= 1 << (z & 7); }
  // All cells whose bits are in the bytes of one and its neighbour z ^ 1.
  void clear(Size x, Size y, Size z) { byte(x, y, z) = 0; }
  // Cells z - 2 to z + 5, lowest first, of the rows y - 2 to y + 5: a byte for each row, the first one highest.
  uint64_t eight(Size x, Size y, Size z) const {
    const uint8_t* at = bytes.data() + (x + 2) * plane + ((z + 6) >> 3) * rows + y;
    const int shift = (z + 6) & 7;
    const uint64_t low = 0x0101010101010101u * (255u >> shift);
    return (bytes_at(at) >> shift & low) | (bytes_at(at + rows) << (8 - shift) & ~low);
  }
  static uint64_t bytes_at(const uint8_t* at) {
    uint64_t bytes = 0;
    for (int i = 0; i < 8; ++i) bytes = bytes << 8 | at[i];
    return bytes;
  }
};

// Of the first five of such rows the cells z - 2 to z + 2, without gaps.
static inline uint64_t five(uint64_t eight) {
  const uint64_t pairs = (eight >> 24 & 0x1F001F001Fu) | (eight >> 27 & 0x3E003E0u);
  return (pairs & 0x3FF) | (pairs >> 6 & 0xFFC00u) | (pairs >> 12 & 0x1F00000u);
}
static inline uint64_t three(uint64_t five) { return five >> 1 & 7; }
static inline uint32_t ones(uint64_t bits) { return __builtin_popcountll(bits); }

// Of the neighbours that come first.
static const uint64_t FACES = 1 << 4 | 1 << 10 | 1 << 12, CORNERS = 1 << 0 | 1 << 2 | 1 << 6 | 1 << 8,
                      EDGES = 0x1FFF & ~FACES & ~CORNERS;
static const uint64_t MIDDLE = 14 << 5 | 14 << 10 | 14 << 15;  // 3 x 3 of a window of 5 x 5 cells
static const uint32_t NEXT_NODES = 1 << 4 | 1 << 10 | 1 << 12 | 1 << 14 | 1 << 16 | 1 << 22;
// In windows of 5 x 5 cells of a plane: the near faces and what lies one step beyond faces and edges.
static const uint64_t FAR = 1 << 7 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 17,
                      BACK = 1 << 2 | 1 << 10 | 1 << 12 | 1 << 14 | 1 << 22,
                      HERE = 1 << 0 | 1 << 1 | 1 << 5 | 1 << 7 | 1 << 9 | 1 << 11 | 1 << 12 | 1 << 13;

// How much the last level grew: what a cloud of its density may be expected to do at the next.
static int growth_class(Size nodes, Size parents, int level) {
  static const int percent[] = {110, 125, 145, 170, 200, 240, 280, 320, 360, 400, 450, 520};
  if (level < 2) return 0;
  int made = 1;
  for (int bound : percent) made += nodes * 100 >= parents * bound;
  return made;
}

struct Node {
  int32_t x, y, z;       // within the block
  uint32_t around;       // occupied nodes among the 27 here, x slowest; bit 13 is this one
  uint32_t index;        // in the order of keys
  uint8_t crowd;         // occupied nodes among the 125 here
  uint8_t inside;        // axes, x highest, along which the further children are within the box
  uint8_t occupied;      // children, bit by number
};

struct Sorted {  // radix sort of a block's nodes, row by row
  std::vector<Node> nodes, other;
  void sort() {
    other.resize(nodes.size());
    by([](const Node& n) { return n.z; });
    by([](const Node& n) { return n.y; });
    by([](const Node& n) { return n.x; });
  }
  template <class Digit>
  void by(Digit digit) {
    uint32_t first[(1 << BLOCK_BITS) + 1] = {};
    for (const Node& n : nodes) ++first[digit(n) + 1];
    for (int i = 0; i < 1 << BLOCK_BITS; ++i) first[i + 1] += first[i];
    for (const Node& n : nodes) other[first[digit(n)]++] = n;
    nodes.swap(other);
  }
};

// A level's nodes, their children being coded.
template <class Coder>
struct Level {
  Coder& coder;
  Predictor<OCCUPANCY, 3, 14> predictor;
  Map nodes_map, children_map;
  Sorted sorted;
  int level = 0, growth = 0;

  Level(Coder& c, const Octree& o) : coder(c), predictor(o.constants, o.occupancy_slots, o.occupancy_weights) {}

  // `occupied`: (n,) children of each, read by writers and written by readers.
  void code(const Octree& o, const std::vector<Key>& keys, Size parents, int l, uint8_t* occupied) {
    level = l, growth = growth_class(keys.size(), parents, l);
    const int side_bits = std::min(l + 1, BLOCK_BITS), in_block = 3 * (side_bits - 1);
    nodes_map.resize(Size(1) << (side_bits - 1));
    children_map.resize(Size(1) << side_bits);
    Size limit[3];
    for (int a = 0; a < 3; ++a) limit[a] = (o.box[a] + (Size(1) << (o.depth - l - 1)) - 1) >> (o.depth - l - 1);
    for (size_t i = 0, end; i < keys.size() && !coder.failed(); i = end) {
      for (end = i; end < keys.size() && keys[end] >> in_block == keys[i] >> in_block;) ++end;
      take(keys.data() + i, end - i, in_block, limit, occupied + i);
      code_block();
      for (const Node& n : sorted.nodes) {
        occupied[i + n.index] = n.occupied;
        nodes_map.clear(n.x, n.y, n.z);
        for (int c = 0; c < 4; ++c) children_map.clear(2 * n.x + (c >> 1), 2 * n.y + (c & 1), 2 * n.z);
      }
    }
  }

  void take(const Key* keys, size_t count, int in_block, const Size* limit, const uint8_t* occupied) {
    const Key first = keys[0] >> in_block << in_block;
    const Size corner[3] = {gather(first >> 2), gather(first >> 1), gather(first)};
    sorted.nodes.resize(count);
    for (size_t i = 0; i < count; ++i) {
      const Key key = keys[i] - first;
      Node& n = sorted.nodes[i];
      n = {gather(key >> 2), gather(key >> 1), gather(key), 0, (uint32_t)i, 0, 0, occupied[i]};
      n.inside = (2 * (corner[0] + n.x) + 1 < limit[0]) << 2 | (2 * (corner[1] + n.y) + 1 < limit[1]) << 1 |
                 (2 * (corner[2] + n.z) + 1 < limit[2]);
      nodes_map.set(n.x, n.y, n.z);
    }
    sorted.sort();
    for (Node& n : sorted.nodes) {
      for (int x = -2; x <= 2; ++x) {
        const uint64_t window = five(nodes_map.eight(n.x + x, n.y, n.z));
        n.crowd += ones(window);
        if (std::abs(x) == 2) continue;
        n.around |= (three(window >> 15) | three(window >> 10) << 3 | three(window >> 5) << 6) << (9 * x + 9);
      }
    }
  }

  // Rows of children: each row of nodes has two of them, in each of its two planes.
  void code_block() {
    std::vector<Node>& nodes = sorted.nodes;
    for (size_t plane = 0, next; plane < nodes.size(); plane = next) {
      for (next = plane; next < nodes.size() && nodes[next].x == nodes[plane].x;) ++next;
      for (int x = 0; x < 2; ++x)
        for (size_t row = plane, end; row < next; row = end) {
          for (end = row; end < next && nodes[end].y == nodes[row].y;) ++end;
          for (int y = 0; y < 2; ++y) {
            for (size_t i = row; i < end; ++i) code_pair(nodes[i], 4 * x + 2 * y);
            if (coder.failed()) return;
          }
        }
    }
  }

  // Two children next to each other along z, which have most of what is around in common.
  void code_pair(Node& n, int first) {
    const Size x = 2 * n.x + (first >> 2), y = 2 * n.y + (first >> 1 & 1), z = 2 * n.z;
    uint8_t& byte = children_map.byte(x, y, z);
    const uint64_t far = children_map.eight(x - 2, y, z), back = children_map.eight(x - 1, y, z);
    uint64_t here = children_map.eight(x, y, z);
    // Rows of nodes in which the rows of children lie that come after, at x + 1 and then at x.
    const int plane = first & 4 ? 18 : 9, row = first & 2 ? 3 : 0;
    const uint32_t after = (n.around >> (plane + row) & 7) | (n.around >> (plane + 3) & 7) << 3 |
                           (n.around >> (plane + 3 + row) & 7) << 6 | (n.around >> (12 + row) & 7) << 9;
    for (int child = first; child < first + 2; ++child) {
      if (child & ~n.inside) continue;
      const int truth = n.occupied >> child & 1, second = child & 1;
      const uint32_t before = n.occupied & ((1u << child) - 1);
      // A node has at least one child: the last one is not asked whether it is the first.
      const int bit = child == n.inside && !before
                          ? 1
                          : code_child(n, child, before, truth, parents(after, n.around, second), five(far >> second),
                                       five(back >> second), five(here >> second) >> 10);
      here |= (uint64_t)bit << (42 + second);
      byte |= bit << ((z & 7) + second);
      n.occupied = (n.occupied & ~(1u << child)) | bit << child;
    }
  }

  // Of the 13 neighbours that come after a child, the first or second of its pair: whether their parents are occupied.
  static uint64_t parents(uint32_t after, uint32_t around, int second) {
    const uint32_t low = after & 01111, middle = after & 02222, high = after & 04444;
    return second ? middle >> 1 | middle | high | (around >> 14 & 1) << 12 : low | middle | middle << 1 | 1 << 12;
  }

  // Windows of five cells in each of five rows of the planes x - 2 and x - 1, and in three of x.
  ALWAYS_INLINE int code_child(const Node& n, int child, uint32_t before, int truth, uint64_t possible, uint64_t far,
                               uint64_t back, uint64_t here) {
    // The 13 neighbours that come first.
    const uint64_t known = three(back >> 15) | three(back >> 10) << 3 | three(back >> 5) << 6 |
                           three(here >> 5) << 9 | (here >> 1 & 1) << 12;
    const uint32_t siblings = ones(before), crowd = ones(far) + ones(back) + ones(here), crowd_of_node = n.crowd;
    const uint64_t faces = ones(known & FACES), g = growth, c = child;
    const uint64_t contexts[OCCUPANCY] = {
        known | possible << 13,
        before | c << 8 | (uint64_t)(n.around & NEXT_NODES) << 11,
        (known & (FACES | EDGES)) | (possible & FACES) << 13 | c << 26,
        faces | ones(known & EDGES) << 2 | ones(known & CORNERS) << 5 | ones(possible & FACES) << 8 |
            ones(possible & EDGES) << 10 | g << 13 | (uint64_t)std::min(siblings, 2u) << 17,
        g | c << 4 | (uint64_t)std::min(siblings, 4u) << 7 | (uint64_t)((ones(n.around) - 1) / 3) << 10,
        (far & FAR) >> 7 | (back & BACK) << 9 | (here & HERE) << 32 | (possible & FACES) << 46,
        n.around | c << 27,
        (uint64_t)std::min(crowd, 31u) | (uint64_t)std::min(crowd_of_node / 3, 31u) << 5 | faces << 10 | g << 12,
    };
    const uint32_t rows[3] = {child * 8 + siblings, 64u + growth * 4 + std::min(level, 3),
                              120 + std::min(crowd, 15u) * 16 + std::min(crowd_of_node / 4, 15u)};
    return predictor.code(coder, truth, contexts, rows);
  }
};

// How many points each voxel has, in the order of the occupancy's blocks and rows.
template <class Coder>
struct Counts {
  Coder& coder;
  Predictor<COUNTING, 2, 12> predictor;
  Map voxels;
  Sorted sorted;
  std::vector<uint8_t> classes;  // of the counts of a block's voxels that are known; 0: not occupied, or not known
  Size most, rows = 0, total = 0, usual = 0;

  Counts(Coder& c, const Octree& o, Size most_points)
      : coder(c), predictor(o.constants, o.count_slots, o.count_weights), most(most_points) {}

  // Four classes to an octave: 1, then 4 log2(count) + 1, rounded down about.
  static int class_of(uint64_t sixteenths) {
    if (sixteenths < 16) return 1;
    const int octave = 63 - __builtin_clzll(sixteenths);
    return std::min<int>(4 * (octave - 4) + (int)(sixteenths >> (octave - 2) & 3) + 1, 63);
  }

  void code(const Octree& o, const std::vector<Key>& keys, Size* counts) {
    const int side_bits = std::min<int>(o.depth, BLOCK_BITS), in_block = 3 * side_bits;
    voxels.resize(Size(1) << side_bits);
    rows = voxels.side + 4;
    classes.assign(rows * rows * rows, 0);
    for (size_t i = 0, end; i < keys.size() && !coder.failed() && total <= most; i = end) {
      for (end = i; end < keys.size() && keys[end] >> in_block == keys[i] >> in_block;) ++end;
      const Key first = keys[i] >> in_block << in_block;
      sorted.nodes.resize(end - i);
      for (size_t j = i; j < end; ++j) {
        const Key key = keys[j] - first;
        Node& n = sorted.nodes[j - i];
        n = {gather(key >> 2), gather(key >> 1), gather(key), 0, (uint32_t)(j - i), 0, 0, 0};
        voxels.set(n.x, n.y, n.z);
      }
      sorted.sort();
      for (const Node& n : sorted.nodes) {
        counts[i + n.index] = code_voxel(n, counts[i + n.index]);
        if (coder.failed() || total > most) return;
      }
      for (const Node& n : sorted.nodes) voxels.clear(n.x, n.y, n.z), *at(n) = 0;
    }
  }

  uint8_t* at(const Node& n) {
    return classes.data() + ((n.x + 2) * rows + n.y + 2) * rows + n.z + 2;
  }

  Size code_voxel(const Node& n, Size truth) {
    const Size row = rows, plane = row * row;
    uint8_t* here = at(n);
    int near = 0, all = 0, sum = 0, face_sum = 0;
    for (int x = -1; x <= 1; ++x) {
      near += ones(five(voxels.eight(n.x + x, n.y, n.z)) & MIDDLE);
      for (int y = -1; y <= 1; ++y) {
        for (int z = -1; z <= 1; ++z) {
          if (x > 0 || (x == 0 && (y > 0 || (y == 0 && z >= 0)))) continue;
          const int is = here[x * plane + y * row + z];
          sum += is, all += is > 0;
        }
      }
    }
    const int fx = here[-plane], fy = here[-row], fz = here[-1];
    face_sum = fx + fy + fz;
    const int faces = (fx > 0) + (fy > 0) + (fz > 0);
    const uint64_t mean = all ? 2 * sum / all : 0, face_mean = faces ? 2 * face_sum / faces : 0;
    const uint64_t run = class_of(usual);
    const uint64_t context[COUNTING] = {mean | (uint64_t)std::min(all, 3) << 8,
                                        face_mean | (uint64_t)faces << 8 | (run / 4) << 16,
                                        run | (uint64_t)near << 8,
                                        (uint64_t)near | (uint64_t)all << 8 | (mean / 4) << 16,
                                        (uint64_t)(fx + 1) / 2 | (uint64_t)(fy + 1) / 2 << 8 | (uint64_t)(fz + 1) / 2 << 16,
                                        mean / 2 | run / 2 << 8 | (uint64_t)(near / 3) << 16};
    const Size count = code_number(truth, context, std::min<int>(run, 31));
    if (coder.failed()) return count;
    total += std::min(count, most + 1);
    usual += ((std::min<Size>(count, 1 << 20) << 4) - usual) >> 4;
    *here = class_of((uint64_t)std::min<Size>(count, 1 << 20) << 4);
    return count;
  }

  // Elias's gamma code with predicted bits: how many digits follow the first one, then these.
  Size code_number(Size truth, const uint64_t* context, int run) {
    const int digits_of_truth = 63 - __builtin_clzll((uint64_t)truth | 1);
    int digits = 0;
    while (code_bit(digits_of_truth > digits, digits, context, run)) {
      if (++digits > 40 || coder.failed()) return most + 1;
    }
    Size count = 1;
    for (int digit = digits - 1; digit >= 0; --digit) {
      const bool leading = count < 8;
      // The first three digits have contexts of their own, those after are all but random.
      const int which = leading ? 64 + digits * 8 + (int)count : 512 + digit;
      count = count << 1 | code_bit((int)(truth >> digit & 1), which, context, run);
    }
    return count;
  }

  int code_bit(int bit, int which, const uint64_t* context, int run) {
    uint64_t contexts[COUNTING];
    for (int i = 0; i < COUNTING; ++i) contexts[i] = context[i] | (uint64_t)which << 32;
    const uint32_t rows[2] = {(uint32_t)std::min(which, 63), 64u + run};
    return predictor.code(coder, bit, contexts, rows);
  }
};

// The occupied cells of a level from those of the leaves, and which children they have.
static void level_of(const Key* leaves, Size count, int below, std::vector<Key>& keys, std::vector<uint8_t>& occupied) {
  keys.clear(), occupied.clear();
  for (Size i = 0; i < count; ++i) {
    const Key child = leaves[i] >> 3 * (below - 1);
    if (keys.empty() || keys.back() != child >> 3) keys.push_back(child >> 3), occupied.push_back(0);
    occupied.back() |= 1 << (child & 7);
  }
}

// Codes what there is: with a coder that writes or counts.
template <class Coder>
static void put(const Octree& o, Coder& coder, const Key* leaves, Size count, Size* counts) {
  std::vector<Key> keys;
  std::vector<uint8_t> occupied;
  {
    Level<Coder> level(coder, o);
    Size parents = 1;
    for (int l = 0; l < o.depth; ++l) {
      level_of(leaves, count, (int)o.depth - l, keys, occupied);
      level.code(o, keys, parents, l, occupied.data());
      parents = keys.size();
    }
  }
  if (!counts) return;
  keys.assign(leaves, leaves + count);
  Counts<Coder>(coder, o, INT64_MAX / 2).code(o, keys, counts);
}

enum { DONE, NO_MEMORY, DAMAGED };

// Writes the stream; `size` is what it takes, also where that is more than the capacity.
extern "C" int octree_encode(const Octree* o, const Key* leaves, Size count, Size* counts, uint8_t* out, Size capacity, Size* size) {
  try {
    Writer writer(out, capacity);
    put(*o, writer, leaves, count, counts);
    writer.finish();
    *size = writer.size;
    return DONE;
  } catch (const std::bad_alloc&) {
    return NO_MEMORY;
  }
}

extern "C" int octree_bits(const Octree* o, const Key* leaves, Size count, Size* counts, double* bits) {
  try {
    Counter counter;
    put(*o, counter, leaves, count, counts);
    *bits = counter.bits;
    return DONE;
  } catch (const std::bad_alloc&) {
    return NO_MEMORY;
  }
}

// Reads at most `most` voxels (room for so many), and their counts where there is room for these too,
// in all at most `most_points`.
extern "C" int octree_decode(const Octree* o, const uint8_t* data, Size size, Key* leaves, Size most, Size* counts, Size most_points, Size* count) {
  try {
    Reader reader(data, size);
    std::vector<Key> keys(1, 0), children;
    std::vector<uint8_t> occupied;
    {
      Level<Reader> level(reader, *o);
      Size parents = 1;
      for (int l = 0; l < o->depth; ++l) {
        occupied.assign(keys.size(), 0);
        level.code(*o, keys, parents, l, occupied.data());
        if (reader.failed()) return DAMAGED;
        Size made = 0;
        for (uint8_t o8 : occupied) made += ones(o8);
        if (made > most) return DAMAGED;
        children.clear();
        children.reserve(made);
        for (size_t i = 0; i < keys.size(); ++i)
          for (int c = 0; c < 8; ++c)
            if (occupied[i] >> c & 1) children.push_back(keys[i] << 3 | c);
        parents = keys.size();
        keys.swap(children);
      }
    }
    *count = keys.size();
    if (*count > most) return DAMAGED;
    std::memcpy(leaves, keys.data(), keys.size() * sizeof(Key));
    if (counts) {
      Counts<Reader> counting(reader, *o, most_points);
      counting.code(*o, keys, counts);
      if (counting.total > most_points) return DAMAGED;
    }
    return reader.whole() ? DONE : DAMAGED;
  } catch (const std::bad_alloc&) {
    return NO_MEMORY;
  }
}
