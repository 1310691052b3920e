// How many neighbours each point of a cloud has within a radius, at most k, and their mean distance.
//
// A k-d tree's heap of a hundred candidates is what such a search spends its time on. Here a point
// begins with a bound that the one before it gives (no neighbour of a neighbour is farther than the
// sum of the two ways), so that little more than the k nearest are ever kept, and one selection ends
// it. `study/metrics/density.py` says what is found; tests hold this against SciPy's tree and loops.
//
// Legend: n places in an order in which near ones follow each other, k neighbours.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "tasks.hpp"

typedef int64_t Size;

static const Size LEAF = 16, FAN = 8, RUN = 4096;
static const double FAR = std::numeric_limits<double>::infinity();
static const double SLACK = 1.0 + 1e-9;  // what rounding may take from a bound, many times over

struct Crowding {
  Size places, neighbours;
  double radius2;         // squared
  const double* xyz;      // (n, 3)
  const int64_t* counts;  // (n), how many points lie in a place, 1 or more
};

// Boxes of LEAF places, boxes of FAN such boxes, and so on. Lows and highs of an axis lie together.
struct Boxes {
  Size count, padded;
  std::vector<double> data;
  explicit Boxes(Size n) : count(n), padded((n + FAN - 1) / FAN * FAN), data(6 * padded, FAR) {}
  double* low(int axis) { return data.data() + 2 * axis * padded; }
  double* high(int axis) { return data.data() + (2 * axis + 1) * padded; }
};

struct Columns {
  Size count, padded;
  std::vector<double> data;
  Columns(const double* xyz, Size n) : count(n), padded((n + LEAF - 1) / LEAF * LEAF), data(3 * padded, FAR) {
    for (Size i = 0; i < n; ++i)
      for (int a = 0; a < 3; ++a) data[a * padded + i] = xyz[3 * i + a];
  }
  const double* axis(int a) const { return data.data() + a * padded; }
};

static Boxes leaves_of(const Columns& c) {
  Boxes made(c.padded / LEAF);
  for (Size i = 0; i < made.count; ++i)
    for (int a = 0; a < 3; ++a) {
      const double *from = c.axis(a) + i * LEAF, *to = c.axis(a) + std::min(c.count, (i + 1) * LEAF);
      made.low(a)[i] = *std::min_element(from, to);
      made.high(a)[i] = *std::max_element(from, to);
    }
  return made;
}

static Boxes parents_of(Boxes& below) {
  Boxes made(below.padded / FAN);
  for (Size i = 0; i < made.count; ++i) {
    const Size first = i * FAN, last = std::min(below.count, first + FAN);
    for (int a = 0; a < 3; ++a) {
      made.low(a)[i] = *std::min_element(below.low(a) + first, below.low(a) + last);
      made.high(a)[i] = *std::max_element(below.high(a) + first, below.high(a) + last);
    }
  }
  return made;
}

struct Tree {
  Columns columns;
  std::vector<Boxes> levels;  // leaves first; the last one has FAN boxes at most
  explicit Tree(const Crowding& p) : columns(p.xyz, p.places) {
    levels.push_back(leaves_of(columns));
    while (levels.back().count > FAN) levels.push_back(parents_of(levels.back()));
  }
};

// One search after the other, in the order of places.
struct Search {
  const Crowding& p;
  Tree& tree;
  bool heaps;  // whether any place holds several points
  std::vector<double> kept;
  Size size = 0;
  double bound2 = 0.0, x = 0.0, y = 0.0, z = 0.0;

  Search(const Crowding& given, Tree& of, bool are_heaps)
      : p(given), tree(of), heaps(are_heaps), kept(4 * given.neighbours + LEAF * (are_heaps ? given.neighbours : 1)) {}

  void cut() {
    if (size <= p.neighbours) return;  // in any order
    std::nth_element(kept.begin(), kept.begin() + (p.neighbours - 1), kept.begin() + size);
    size = p.neighbours;
    bound2 = std::min(bound2, kept[size - 1]);
  }

  void look_at(Size leaf) {
    const double *xs = tree.columns.axis(0) + leaf * LEAF, *ys = tree.columns.axis(1) + leaf * LEAF,
                 *zs = tree.columns.axis(2) + leaf * LEAF;
    double dist2[LEAF];
    for (Size i = 0; i < LEAF; ++i) {
      const double dx = xs[i] - x, dy = ys[i] - y, dz = zs[i] - z;
      dist2[i] = dx * dx + dy * dy + dz * dz;
    }
    if (!heaps) {
      for (Size i = 0; i < LEAF; ++i) {
        kept[size] = dist2[i];
        size += dist2[i] <= bound2;
      }
    } else {
      for (Size i = 0; i < LEAF; ++i)
        if (dist2[i] <= bound2) {
          const Size copies = std::min(p.counts[leaf * LEAF + i], p.neighbours);
          std::fill_n(kept.begin() + size, copies, dist2[i]);
          size += copies;
        }
    }
    if (size > 4 * p.neighbours) cut();
  }

  void descend(Size level, Size first) {
    Boxes& boxes = tree.levels[level];
    double gap2[FAN] = {};
    for (int a = 0; a < 3; ++a) {
      const double at = a == 0 ? x : a == 1 ? y : z;
      const double *low = boxes.low(a) + first, *high = boxes.high(a) + first;
      for (Size i = 0; i < FAN; ++i) {
        const double gap = std::max(0.0, std::max(low[i] - at, at - high[i]));
        gap2[i] += gap * gap;
      }
    }
    const Size last = std::min(FAN, boxes.count - first);
    for (Size i = 0; i < last; ++i) {
      if (gap2[i] > bound2 * SLACK) continue;
      if (level) descend(level - 1, (first + i) * FAN);
      else look_at(first + i);
    }
  }

  // Writes how many and how far, and returns what bounds the next search: how far the last one is.
  double run(Size place, double bound, double* out) {
    x = p.xyz[3 * place], y = p.xyz[3 * place + 1], z = p.xyz[3 * place + 2];
    bound2 = std::min(p.radius2, bound * bound * SLACK);
    size = 0;
    descend((Size)tree.levels.size() - 1, 0);
    cut();
    double sum = 0.0;
    for (Size i = 0; i < size; ++i) sum += std::sqrt(kept[i]);
    out[0] = (double)size;
    out[1] = sum / (double)size;
    if (size < p.neighbours) return FAR;
    return std::sqrt(*std::max_element(kept.begin(), kept.begin() + size));
  }
};

static double apart(const double* a, const double* b) {
  const double x = a[0] - b[0], y = a[1] - b[1], z = a[2] - b[2];
  return std::sqrt(x * x + y * y + z * z);
}

// Writes (n, 2): the number and the mean distance.
extern "C" int crowding_forward(const Crowding* p, double* out, int threads) {
  return in_tasks(1, 1, [&](Size) {
    Tree tree(*p);
    const bool heaps = std::any_of(p->counts, p->counts + p->places, [](int64_t count) { return count > 1; });
    const int ran_out = in_tasks((p->places + RUN - 1) / RUN, threads, [&](Size task) {
      Search search(*p, tree, heaps);
      double farthest = FAR;
      for (Size i = task * RUN; i < std::min(p->places, (task + 1) * RUN); ++i) {
        if (farthest < FAR) farthest += apart(p->xyz + 3 * i, p->xyz + 3 * (i - 1));
        farthest = search.run(i, farthest, out + 2 * i);
      }
    });
    if (ran_out) throw std::bad_alloc();
  });
}
