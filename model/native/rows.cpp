// The small networks over many rows that fill a training step on a CPU, forward and backward.
//
// A small network over rows costs a handful of passes over wide tensors when it is put together
// from a library's operations, and the libraries' matrix products are slow where a side is narrow
// (8 columns, 1, 43). Here a block of rows goes through all layers while it is in the cache.
// `model/kernels.py` says what is computed, and computes it without this file where there is no
// compiler; tests hold the two against each other.
//
// Legend: t trials, b patches, r rows, a inputs, h hidden channels, o outputs. Tensors are float32
// and contiguous, in the order of their indices.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "exponential.hpp"
#include "tasks.hpp"

typedef int64_t Size;
typedef float Vector __attribute__((vector_size(32), aligned(4), may_alias));

static const Size LANES = 8;
static const Size BLOCK = 64;  // rows at a time: their hidden channels stay in the first cache
static const Size STRIP = 4;   // rows of a product that share each load of the right side
static const float EPSILON = 1e-5f;

// A number that is none stays none: whoever looks at the loss must see it.
static inline float rectified(float z) { return z < 0.0f ? 0.0f : z; }

static Size padded(Size n, Size to) { return (n + to - 1) / to * to; }

// A strip of c += a b: STRIP rows, WIDTH vectors of columns. a(i, p) lies at a[i * ai + p * ap].
template <int WIDTH>
static inline void strip(Size k, const float* a, Size ai, Size ap, const float* b, Size ldb,
                         float* c, Size ldc) {
  Vector sum[STRIP][WIDTH];
  for (int i = 0; i < STRIP; ++i)
    for (int j = 0; j < WIDTH; ++j) sum[i][j] = *(const Vector*)(c + i * ldc + LANES * j);
  for (Size p = 0; p < k; ++p) {
    Vector right[WIDTH];
    for (int j = 0; j < WIDTH; ++j) right[j] = *(const Vector*)(b + p * ldb + LANES * j);
    for (int i = 0; i < STRIP; ++i) {
      const float left = a[i * ai + p * ap];
      for (int j = 0; j < WIDTH; ++j) sum[i][j] += left * right[j];
    }
  }
  for (int i = 0; i < STRIP; ++i)
    for (int j = 0; j < WIDTH; ++j) *(Vector*)(c + i * ldc + LANES * j) = sum[i][j];
}

// c += a b, with m a multiple of STRIP and n of LANES.
static void product(Size m, Size n, Size k, const float* a, Size ai, Size ap, const float* b,
                    Size ldb, float* c, Size ldc) {
  for (Size j = 0; j < n; j += 2 * LANES)
    for (Size i = 0; i < m; i += STRIP)
      if (j + 2 * LANES <= n)
        strip<2>(k, a + i * ai, ai, ap, b + j, ldb, c + i * ldc + j, ldc);
      else
        strip<1>(k, a + i * ai, ai, ap, b + j, ldb, c + i * ldc + j, ldc);
}

// A matrix with room for whole strips and vectors, zero where it has no entries.
struct Padded {
  Size width;
  std::vector<float> data;
  Padded(Size rows, Size columns)
      : width(padded(columns, LANES)), data(padded(rows, STRIP) * padded(columns, LANES)) {}
  float* row(Size i) { return data.data() + i * width; }
  void clear() { std::fill(data.begin(), data.end(), 0.0f); }
  void read(const float* from, Size rows, Size columns) {
    for (Size i = 0; i < rows; ++i) std::memcpy(row(i), from + i * columns, columns * sizeof(float));
  }
  void read_transposed(const float* from, Size rows, Size columns) {
    for (Size i = 0; i < rows; ++i)
      for (Size j = 0; j < columns; ++j) row(j)[i] = from[i * columns + j];
  }
  // A block of rows; those beyond the last become zero.
  void read_block(const float* from, Size rows, Size columns) {
    read(from, rows, columns);
    std::fill(row(rows), row(0) + data.size(), 0.0f);
  }
  void write(float* to, Size rows, Size columns) {
    for (Size i = 0; i < rows; ++i) std::memcpy(to + i * columns, row(i), columns * sizeof(float));
  }
  void add_columns(float* to, Size rows, Size columns) {
    for (Size i = 0; i < rows; ++i)
      for (Size j = 0; j < columns; ++j) to[j] += row(i)[j];
  }
  void fill_rows(const float* with, Size columns) {
    for (Size i = 0; i < BLOCK; ++i) std::memcpy(row(i), with, columns * sizeof(float));
  }
};

// What a perceptron is made of. Null pointers: no normalisation (scale, shift), no output layer
// (w2, b2), all rows valid (counts).
struct Perceptron {
  Size trials, patches, rows, inputs, hidden, outputs;
  Size x_per_trial;    // 0: all trials have the same x
  Size counts_per_trial;  // 1: counts is (t, b)
  Size w1_per_patch;   // 1: w1 is (t, b, a, h) and b1 (t, b, h); 0: (t, a, h) and (t, h)
  const int64_t* counts;  // (b) or (t, b), leading rows that are valid
  const float *x, *w1, *b1, *scale, *shift, *w2, *b2;
};

static const float* x_of(const Perceptron& p, Size t, Size b) {
  return p.x + ((p.x_per_trial ? t * p.patches : 0) + b) * p.rows * p.inputs;
}
static Size first_layer(const Perceptron& p, Size t, Size b) {
  return p.w1_per_patch ? t * p.patches + b : t;
}
static Size valid_rows(const Perceptron& p, Size t, Size b) {
  return p.counts ? p.counts[(p.counts_per_trial ? t * p.patches : 0) + b] : p.rows;
}

// Hidden channels of a block from z = x w1 + b1, and, if asked for, the normalised z.
static void activate(const Perceptron& p, Size t, const float* z, Size rows, const float* statistics,
                     Padded& hidden, Padded* normalised) {
  const Size h = p.hidden;
  for (Size i = 0; i < rows; ++i) {
    float* to = hidden.row(i);
    const float* from = z + i * h;
    if (p.scale) {
      const float mean = statistics[0], root = statistics[1];
      const float *scale = p.scale + t * h, *shift = p.shift + t * h;
      float* keep = normalised ? normalised->row(i) : to;
      for (Size j = 0; j < h; ++j) keep[j] = (from[j] - mean) * root;
      for (Size j = 0; j < h; ++j) to[j] = rectified(keep[j] * scale[j] + shift[j]);
    } else {
      for (Size j = 0; j < h; ++j) to[j] = rectified(from[j]);
    }
  }
  std::fill(hidden.row(rows), hidden.row(0) + hidden.data.size(), 0.0f);
}

static void statistics_of(const float* z, Size count, float* statistics) {
  double sum = 0.0, squares = 0.0;
  for (Size i = 0; i < count; i += BLOCK * LANES) {
    const Size end = std::min(count, i + BLOCK * LANES);
    float part = 0.0f;
    for (Size j = i; j < end; ++j) part += z[j];
    sum += part;
  }
  const float mean = (float)(sum / count);
  for (Size i = 0; i < count; i += BLOCK * LANES) {
    const Size end = std::min(count, i + BLOCK * LANES);
    float part = 0.0f;
    for (Size j = i; j < end; ++j) part += (z[j] - mean) * (z[j] - mean);
    squares += part;
  }
  statistics[0] = mean;
  statistics[1] = 1.0f / std::sqrt((float)(squares / count) + EPSILON);
}

// x w1 + b1 of a block of rows, (rows, h), by way of two blocks to work in.
static void first_layer_of(const Perceptron& p, Size t, Size b, Size r, Size rows, Padded& x,
                           Padded& w1, Padded& work, float* z) {
  x.read_block(x_of(p, t, b) + r * p.inputs, rows, p.inputs);
  work.fill_rows(p.b1 + first_layer(p, t, b) * p.hidden, p.hidden);
  product(padded(rows, STRIP), work.width, p.inputs, x.row(0), x.width, 1, w1.row(0), w1.width,
          work.row(0), work.width);
  work.write(z, rows, p.hidden);
}

// z, of all rows, is kept where there is a normalisation: it needs them all, and so does its
// gradient. Otherwise z stays in the cache, and is computed again for the gradient: cheaper than
// memory that has to be fetched.
static void forward_of(const Perceptron& p, Size t, float* z, float* statistics, float* y) {
  const Size h = p.hidden, width = p.w2 ? p.outputs : h;
  Padded x(BLOCK, p.inputs), w1(p.inputs, h), w2(h, p.w2 ? p.outputs : 1), hidden(BLOCK, h);
  Padded out(BLOCK, width);
  std::vector<float> own(BLOCK * h);
  if (p.w2) w2.read(p.w2 + t * h * p.outputs, h, p.outputs);
  for (Size b = 0; b < p.patches; ++b) {
    const Size group = t * p.patches + b, layer = first_layer(p, t, b), count = valid_rows(p, t, b);
    float *z_of = p.scale ? z + group * p.rows * h : own.data(), *y_of = y + group * p.rows * width;
    float* state = p.scale ? statistics + 2 * group : nullptr;
    if (b == 0 || p.w1_per_patch) w1.read(p.w1 + layer * p.inputs * h, p.inputs, h);
    for (Size r = 0; p.scale && r < count; r += BLOCK)
      first_layer_of(p, t, b, r, std::min(BLOCK, count - r), x, w1, hidden, z_of + r * h);
    if (p.scale) statistics_of(z_of, count * h, state);
    for (Size r = 0; r < count; r += BLOCK) {
      const Size rows = std::min(BLOCK, count - r);
      if (!p.scale) first_layer_of(p, t, b, r, rows, x, w1, hidden, z_of);
      activate(p, t, p.scale ? z_of + r * h : z_of, rows, state, hidden, nullptr);
      if (p.w2) {
        out.fill_rows(p.b2 + t * p.outputs, p.outputs);
        product(padded(rows, STRIP), out.width, h, hidden.row(0), hidden.width, 1, w2.row(0),
                w2.width, out.row(0), out.width);
      }
      (p.w2 ? out : hidden).write(y_of + r * width, rows, width);
    }
    std::fill(y_of + count * width, y_of + p.rows * width, 0.0f);
  }
}

// Where the gradients go; x may be null. Each is laid out as what it belongs to.
struct Gradients {
  const float* y;
  float *x, *w1, *b1, *scale, *shift, *w2, *b2;
};

// One trial's way back, and the blocks that it works in.
struct Backward {
  const Perceptron& p;
  const Gradients& g;
  const Size t, h, width;
  Padded x, w1, w1t, w2t, gw1, gw2, hidden, normalised, gy, gh, gx;
  double sum, sum_with_z;

  Backward(const Perceptron& p, const Gradients& g, Size t)
      : p(p), g(g), t(t), h(p.hidden), width(p.w2 ? p.outputs : p.hidden),
        x(BLOCK, padded(p.inputs, STRIP)), w1(p.inputs, h), w1t(h, p.inputs), w2t(width, h),
        gw1(p.inputs, h), gw2(h, width), hidden(BLOCK, h), normalised(BLOCK, h), gy(BLOCK, width),
        gh(BLOCK, h), gx(BLOCK, p.inputs), sum(0.0), sum_with_z(0.0) {}

  // Through the second layer and the ReLU, to the normalised rows where there are any.
  void upper(Size group, Size r, Size rows, const float* z, const float* state, float* gz) {
    activate(p, t, z, rows, state, hidden, p.scale ? &normalised : nullptr);
    gy.read_block(g.y + (group * p.rows + r) * width, rows, width);
    if (p.w2) {
      product(padded(h, STRIP), gw2.width, rows, hidden.row(0), 1, hidden.width, gy.row(0), gy.width,
              gw2.row(0), gw2.width);
      gy.add_columns(g.b2 + t * width, rows, width);
      gh.clear();
      product(padded(rows, STRIP), gh.width, width, gy.row(0), gy.width, 1, w2t.row(0), w2t.width,
              gh.row(0), gh.width);
    }
    Padded& incoming = p.w2 ? gh : gy;
    float part = 0.0f, part_with_z = 0.0f;
    for (Size i = 0; i < rows; ++i) {
      const float *in = incoming.row(i), *active = hidden.row(i), *n = normalised.row(i);
      float* to = gz + i * h;
      for (Size j = 0; j < h; ++j) to[j] = active[j] <= 0.0f ? 0.0f : in[j];
      if (!p.scale) continue;
      const float* scale = p.scale + t * h;
      float *of_scale = g.scale + t * h, *of_shift = g.shift + t * h;
      for (Size j = 0; j < h; ++j) of_scale[j] += to[j] * n[j];
      for (Size j = 0; j < h; ++j) of_shift[j] += to[j];
      for (Size j = 0; j < h; ++j) to[j] *= scale[j];
      for (Size j = 0; j < h; ++j) part += to[j];
      for (Size j = 0; j < h; ++j) part_with_z += to[j] * n[j];
    }
    sum += part;
    sum_with_z += part_with_z;
  }

  // Through the normalisation and the first layer.
  void lower(Size b, Size group, Size r, Size rows, Size count, const float* z, const float* state,
             const float* gz) {
    gh.read_block(gz, rows, h);
    if (p.scale) {
      const float mean = (float)(sum / (count * h)), with_z = (float)(sum_with_z / (count * h));
      for (Size i = 0; i < rows; ++i)
        for (Size j = 0; j < h; ++j)
          gh.row(i)[j] = state[1] * (gz[i * h + j] - mean -
                                     (z[i * h + j] - state[0]) * state[1] * with_z);
    }
    x.read_block(x_of(p, t, b) + r * p.inputs, rows, p.inputs);
    product(padded(p.inputs, STRIP), gw1.width, rows, x.row(0), 1, x.width, gh.row(0), gh.width,
            gw1.row(0), gw1.width);
    gh.add_columns(g.b1 + first_layer(p, t, b) * h, rows, h);
    if (!g.x) return;
    gx.clear();
    product(padded(rows, STRIP), gx.width, h, gh.row(0), gh.width, 1, w1t.row(0), w1t.width,
            gx.row(0), gx.width);
    gx.write(g.x + (group * p.rows + r) * p.inputs, rows, p.inputs);
  }
};

static void backward_of(const Perceptron& p, Size t, const float* z, const float* statistics,
                        const Gradients& g) {
  const Size h = p.hidden, layers = p.w1_per_patch ? p.patches : 1;
  Backward way(p, g, t);
  // What is summed up over rows begins at zero; everything else is written whole.
  std::fill_n(g.b1 + first_layer(p, t, 0) * h, layers * h, 0.0f);
  if (p.scale) std::fill_n(g.scale + t * h, h, 0.0f);
  if (p.scale) std::fill_n(g.shift + t * h, h, 0.0f);
  if (p.w2) std::fill_n(g.b2 + t * way.width, way.width, 0.0f);
  std::vector<float> own(BLOCK * h), gz((p.scale ? p.rows : BLOCK) * h);
  if (p.w2) way.w2t.read_transposed(p.w2 + t * h * way.width, h, way.width);
  for (Size b = 0; b < p.patches; ++b) {
    const Size group = t * p.patches + b, layer = first_layer(p, t, b), count = valid_rows(p, t, b);
    const float* state = p.scale ? statistics + 2 * group : nullptr;
    if (b == 0 || p.w1_per_patch) {
      way.w1.read(p.w1 + layer * p.inputs * h, p.inputs, h);
      way.w1t.clear();
      way.w1t.read_transposed(p.w1 + layer * p.inputs * h, p.inputs, h);
      way.gw1.clear();
    }
    way.sum = way.sum_with_z = 0.0;
    for (Size r = 0; r < count; r += BLOCK) {
      const Size rows = std::min(BLOCK, count - r);
      if (p.scale) {
        way.upper(group, r, rows, z + (group * p.rows + r) * h, state, gz.data() + r * h);
      } else {
        first_layer_of(p, t, b, r, rows, way.x, way.w1, way.hidden, own.data());
        way.upper(group, r, rows, own.data(), state, gz.data());
        way.lower(b, group, r, rows, count, own.data(), state, gz.data());
      }
    }
    for (Size r = 0; p.scale && r < count; r += BLOCK)
      way.lower(b, group, r, std::min(BLOCK, count - r), count, z + (group * p.rows + r) * h, state,
                gz.data() + r * h);
    if (g.x)
      std::fill(g.x + (group * p.rows + count) * p.inputs, g.x + (group + 1) * p.rows * p.inputs,
                0.0f);
    if (b + 1 == p.patches || p.w1_per_patch)
      way.gw1.write(g.w1 + layer * p.inputs * h, p.inputs, h);
  }
  if (!p.patches && !p.w1_per_patch) way.gw1.write(g.w1 + t * p.inputs * h, p.inputs, h);
  if (p.w2) way.gw2.write(g.w2 + t * h * way.width, h, way.width);
}

extern "C" int perceptron_forward(const Perceptron* p, float* z, float* statistics, float* y,
                                  int threads) {
  return in_tasks(p->trials, threads, [&](Size t) { forward_of(*p, t, z, statistics, y); });
}

extern "C" int perceptron_backward(const Perceptron* p, const float* z, const float* statistics,
                                   const Gradients* g, int threads) {
  return in_tasks(p->trials, threads, [&](Size t) { backward_of(*p, t, z, statistics, *g); });
}

// A placement: three perceptrons over the same rows say in which direction, how far from its start
// and with which features a point lies.
struct Placement {
  Perceptron direction, length, features;  // the last without pointers where nobody reads features
  const float* candidates;  // (outputs of direction, 3)
  const float* xyz;         // (t, b, r, 3), the starts
  const float* residual;    // (t, b, r, c), added to the features, or null
};

// What a placement's backward needs of its forward.
struct PlacementState {
  float *shares;  // softmax over the candidates
  float *length, *unit, *norm;
};

static const float LEAST_NORM = 1e-12f;

// Whether a row, counted over a trial's patches, is one of a point.
static bool is_valid(const Perceptron& p, Size t, Size row) {
  return row % p.rows < valid_rows(p, t, row / p.rows);
}

static void place(const Placement& p, Size t, const PlacementState& s, float* placed, float* made) {
  const Size rows = p.direction.patches * p.direction.rows, count = p.direction.outputs;
  forward_of(p.direction, t, nullptr, nullptr, s.shares);
  forward_of(p.length, t, nullptr, nullptr, s.length);
  for (Size r = t * rows; r < (t + 1) * rows; ++r) {
    if (!is_valid(p.direction, t, r - t * rows)) {
      std::copy_n(p.xyz + 3 * r, 3, placed + 3 * r);
      continue;
    }
    float* share = s.shares + r * count;
    float peak = share[0], sum = 0.0f, blended[3] = {0.0f, 0.0f, 0.0f};
    for (Size j = 1; j < count; ++j) peak = share[j] > peak ? share[j] : peak;
    for (Size j = 0; j < count; ++j) share[j] = exponential(share[j] - peak);
    for (Size j = 0; j < count; ++j) sum += share[j];
    for (Size j = 0; j < count; ++j) share[j] *= 1.0f / sum;
    for (Size j = 0; j < count; ++j)
      for (Size k = 0; k < 3; ++k) blended[k] += share[j] * p.candidates[3 * j + k];
    const float norm = std::sqrt(blended[0] * blended[0] + blended[1] * blended[1] +
                                 blended[2] * blended[2]);
    s.norm[r] = norm < LEAST_NORM ? LEAST_NORM : norm;
    for (Size k = 0; k < 3; ++k) {
      s.unit[3 * r + k] = blended[k] / s.norm[r];
      placed[3 * r + k] = p.xyz[3 * r + k] + s.unit[3 * r + k] * s.length[r];
    }
  }
  if (!made) return;
  forward_of(p.features, t, nullptr, nullptr, made);
  const Size width = p.features.outputs;
  if (p.residual)
    for (Size i = t * rows * width; i < (t + 1) * rows * width; ++i) made[i] += p.residual[i];
}

struct PlacementGradients {
  Gradients direction, length, features;  // their y: room for the first two, given for the last
  const float* placed;
  float *x, *shares, *of_length;
};

static void place_backward(const Placement& p, Size t, const PlacementState& s,
                           const PlacementGradients& g) {
  const Size rows = p.direction.patches * p.direction.rows, count = p.direction.outputs;
  const Size inputs = p.direction.inputs;
  for (Size r = t * rows; r < (t + 1) * rows; ++r) {
    if (!is_valid(p.direction, t, r - t * rows)) continue;
    const float *in = g.placed + 3 * r, *unit = s.unit + 3 * r;
    const float along = in[0] * unit[0] + in[1] * unit[1] + in[2] * unit[2];
    g.of_length[r] = along;
    float of_blended[3];
    // Below the least norm the division is by a constant: the direction is not normalised there.
    const float inside = s.norm[r] > LEAST_NORM ? along : 0.0f;
    for (Size k = 0; k < 3; ++k)
      of_blended[k] = s.length[r] * (in[k] - unit[k] * inside) / s.norm[r];
    const float* share = s.shares + r * count;
    float *to = g.shares + r * count, mean = 0.0f;
    for (Size j = 0; j < count; ++j) {
      const float* way = p.candidates + 3 * j;
      to[j] = of_blended[0] * way[0] + of_blended[1] * way[1] + of_blended[2] * way[2];
    }
    for (Size j = 0; j < count; ++j) mean += share[j] * to[j];
    for (Size j = 0; j < count; ++j) to[j] = share[j] * (to[j] - mean);
  }
  const Perceptron* networks[] = {&p.direction, &p.length, &p.features};
  const Gradients* gradients[] = {&g.direction, &g.length, &g.features};
  float* total = g.x + t * rows * inputs;
  for (int n = 0; n < 3; ++n) {
    if (!networks[n]->w1) continue;
    backward_of(*networks[n], t, nullptr, nullptr, *gradients[n]);
    const float* part = gradients[n]->x + t * rows * inputs;
    for (Size i = 0; i < rows * inputs; ++i) total[i] += part[i];
  }
}

extern "C" int placement_forward(const Placement* p, const PlacementState* s, float* placed,
                                 float* made, int threads) {
  return in_tasks(p->direction.trials, threads, [&](Size t) { place(*p, t, *s, placed, made); });
}

extern "C" int placement_backward(const Placement* p, const PlacementState* s,
                                  const PlacementGradients* g, int threads) {
  return in_tasks(p->direction.trials, threads, [&](Size t) { place_backward(*p, t, *s, *g); });
}
