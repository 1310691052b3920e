// The k nearest of a patch's points to each of others, by all distances; for a CPU.
//
// A tree looks at fewer points, and pays for each with branches and cache misses. Patches are so small
// that eight distances at a time win (`python -m benchmarks search`). `model/points.py` says what is
// found; tests hold this against brute force in PyTorch.
//
// Legend: t trials, b patches, q queries, n references, k neighbours. Tensors are contiguous, in the
// order of their indices.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "tasks.hpp"

#ifdef __AVX__
#include <immintrin.h>
#endif

typedef int64_t Size;
typedef float Floats __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t Ints __attribute__((vector_size(32), aligned(4), may_alias));

static const Size LANES = 8;
static const float FAR = std::numeric_limits<float>::infinity();

struct Nearest {
  Size trials, patches, queries, references, neighbours;
  Size query_per_trial, reference_per_trial;  // 0: all trials have the same
  const float *query, *reference;             // (t or 1, b, q, 3), (t or 1, b, n, 3)
  const int64_t *query_sizes, *reference_sizes;  // (t or 1, b)
};

// What is no number, or infinite, stands at zero: the loss, which keeps it, is what ends a trial.
static inline float sound(float x) { return std::fabs(x) <= std::numeric_limits<float>::max() ? x : 0.0f; }

// Coordinates one after the other, so that eight points are three loads; beyond the last, far away.
struct Columns {
  Size count, padded;
  std::vector<float> data;
  Columns(const float* points, Size n)
      : count(n), padded((n + LANES - 1) / LANES * LANES), data(3 * padded, FAR) {
    for (Size i = 0; i < n; ++i)
      for (int a = 0; a < 3; ++a) data[a * padded + i] = sound(points[3 * i + a]);
  }
  const float* axis(int a) const { return data.data() + a * padded; }
};

struct Query {
  float x, y, z;
  explicit Query(const float* p) : x(sound(p[0])), y(sound(p[1])), z(sound(p[2])) {}
  Floats dist2(const Columns& c, Size i) const {
    const Floats dx = *(const Floats*)(c.axis(0) + i) - x, dy = *(const Floats*)(c.axis(1) + i) - y,
                 dz = *(const Floats*)(c.axis(2) + i) - z;
    return dx * dx + dy * dy + dz * dz;
  }
};

static inline Floats smaller(Floats a, Floats b) { return b < a ? b : a; }

// The nearest one; of equally near ones the first. Several queries share each load.
template <int QUERIES>
static void nearest_one(const float* from, const Columns& c, int64_t* out) {
  const Ints first = {0, 1, 2, 3, 4, 5, 6, 7};
  Floats best[QUERIES];
  Ints at[QUERIES];
  float xyz[3][QUERIES];
  for (int j = 0; j < QUERIES; ++j) {
    best[j] = Floats{} + FAR;
    at[j] = first;
    for (int a = 0; a < 3; ++a) xyz[a][j] = sound(from[3 * j + a]);
  }
  Ints here = first;
  const float *xs = c.axis(0), *ys = c.axis(1), *zs = c.axis(2);
  for (Size i = 0; i < c.padded; i += LANES) {
    const Floats x = *(const Floats*)(xs + i), y = *(const Floats*)(ys + i), z = *(const Floats*)(zs + i);
    for (int j = 0; j < QUERIES; ++j) {
      const Floats dx = x - xyz[0][j], dy = y - xyz[1][j], dz = z - xyz[2][j];
      const Floats d = dx * dx + dy * dy + dz * dz;
      const Ints nearer = d < best[j];
      best[j] = nearer ? d : best[j];
      at[j] = nearer ? here : at[j];
    }
    here += (int32_t)LANES;
  }
  for (int j = 0; j < QUERIES; ++j) {
    float d = best[j][0];
    int32_t index = at[j][0];
    for (int l = 1; l < LANES; ++l)
      if (best[j][l] < d || (best[j][l] == d && at[j][l] < index)) d = best[j][l], index = at[j][l];
    out[j] = index;
  }
}

// One bit for each lane that is not zero.
static inline int mask(Ints lanes) {
#ifdef __AVX__
  return __builtin_ia32_movmskps256((__v8sf)lanes);
#else
  int bits = 0;
  for (int l = 0; l < (int)LANES; ++l) bits |= (lanes[l] & 1) << l;
  return bits;
#endif
}

struct Found {
  float dist2;
  int32_t index;
  bool operator<(const Found& other) const {
    return dist2 < other.dist2 || (dist2 == other.dist2 && index < other.index);
  }
};

// Room for one query at a time.
struct Scratch {
  std::vector<float> dist2;
  std::vector<Found> found;
};

// All squared distances, and a number that at least k of them do not exceed. Points are dealt into
// SETS * LANES >= 2 k groups: the k-th smallest of the groups' minima is little above the k-th
// smallest distance, so few are left to be sorted.
template <int SETS>
static float bounded_distances(const Query& q, const Columns& c, Size k, float* dist2) {
  Floats least[SETS];
  for (int set = 0; set < SETS; ++set) least[set] = Floats{} + FAR;
  Size i = 0;
  for (; i + SETS * LANES <= c.padded; i += SETS * LANES)
    for (int set = 0; set < SETS; ++set) {
      const Floats d = q.dist2(c, i + set * LANES);
      *(Floats*)(dist2 + i + set * LANES) = d;
      least[set] = smaller(least[set], d);
    }
  for (int set = 0; i < c.padded; i += LANES, ++set) {
    const Floats d = q.dist2(c, i);
    *(Floats*)(dist2 + i) = d;
    least[set] = smaller(least[set], d);
  }
  float minima[SETS * LANES];
  for (int set = 0; set < SETS; ++set) *(Floats*)(minima + set * LANES) = least[set];
  std::nth_element(minima, minima + (k - 1), minima + SETS * LANES);
  return minima[k - 1];
}

static void nearest_few(const float* from, const Columns& c, Size k, int64_t* out, Scratch& s) {
  const Query q(from);
  s.dist2.resize(c.padded);
  float* dist2 = s.dist2.data();
  float bound = FAR;
  if (k <= 16) {
    bound = bounded_distances<4>(q, c, k, dist2);
  } else if (k <= 64) {
    bound = bounded_distances<16>(q, c, k, dist2);
  } else {
    bounded_distances<1>(q, c, 1, dist2);
  }
  s.found.clear();
  for (Size i = 0; i < c.padded; i += LANES) {
    const Ints within = *(const Floats*)(dist2 + i) <= bound;
    for (int which = mask(within); which; which &= which - 1) {
      const int32_t index = (int32_t)i + __builtin_ctz(which);
      if (index < c.count) s.found.push_back({dist2[index], index});
    }
  }
  std::partial_sort(s.found.begin(), s.found.begin() + k, s.found.end());
  for (Size j = 0; j < k; ++j) out[j] = s.found[j].index;
}

static void of_group(const Nearest& p, Size t, Size b, Size first, Size last, int64_t* out) {
  const Size of_query = (p.query_per_trial ? t * p.patches : 0) + b;
  const Size of_reference = (p.reference_per_trial ? t * p.patches : 0) + b;
  const Columns c(p.reference + of_reference * p.references * 3, p.reference_sizes[of_reference]);
  last = std::min(last, p.query_sizes[of_query]);
  const float* query = p.query + of_query * p.queries * 3;
  out += (t * p.patches + b) * p.queries * p.neighbours;
  if (!c.count) return;
  Scratch scratch;
  Size i = first;
  if (p.neighbours == 1) {
    for (; i + 4 <= last; i += 4) nearest_one<4>(query + 3 * i, c, out + i);
    for (; i < last; ++i) nearest_one<1>(query + 3 * i, c, out + i);
  } else {
    for (; i < last; ++i) nearest_few(query + 3 * i, c, std::min(p.neighbours, c.count), out + i * p.neighbours, scratch);
  }
}

// Writes (t, b, q, k) indices; what is not written (padding) must be zero before.
extern "C" int nearest_forward(const Nearest* p, int64_t* out, int threads) {
  const Size groups = p->trials * p->patches;
  const Size block = threads > 1 && groups < 4 * threads ? (p->queries + 4 * threads - 1) / (4 * threads) : p->queries;
  const Size blocks = block ? (p->queries + block - 1) / block : 0;
  return in_tasks(groups * blocks, threads, [&](Size task) {
    const Size group = task / blocks, first = task % blocks * block;
    of_group(*p, group / p->patches, group % p->patches, first, first + block, out);
  });
}
