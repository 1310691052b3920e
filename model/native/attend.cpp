// Softmax over the rows of each slot, channel by channel, forward and backward; for a CPU.
//
// `model/kernels.py` says what is computed, and computes it without this file where there is no
// compiler; tests hold the two against each other.
//
// Legend: t trials, b patches, e rows, m slots, c channels. Tensors are float32 and contiguous, in
// the order of their indices. The rows of a slot follow each other.

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "exponential.hpp"
#include "tasks.hpp"

typedef int64_t Size;

struct Attention {
  Size trials, patches, rows, slots, channels;
  const int64_t* first;  // (b, m + 1), the first row of each slot, from 0; where the last one ends
};

static void forward_of(const Attention& a, Size group, const float* logits, const float* values,
                       float* weights, float* out) {
  const Size c = a.channels;
  const int64_t* first = a.first + group % a.patches * (a.slots + 1);
  std::vector<float> peak(c), sum(c);
  for (Size m = 0; m < a.slots; ++m) {
    float* to = out + (group * a.slots + m) * c;
    std::fill(to, to + c, 0.0f);
    if (first[m] == first[m + 1]) continue;
    std::fill(sum.begin(), sum.end(), 0.0f);
    std::memcpy(peak.data(), logits + (group * a.rows + first[m]) * c, c * sizeof(float));
    for (Size e = first[m] + 1; e < first[m + 1]; ++e) {
      const float* row = logits + (group * a.rows + e) * c;
      for (Size j = 0; j < c; ++j) peak[j] = row[j] > peak[j] ? row[j] : peak[j];
    }
    for (Size e = first[m]; e < first[m + 1]; ++e) {
      const float *row = logits + (group * a.rows + e) * c, *value = values + (group * a.rows + e) * c;
      float* weight = weights + (group * a.rows + e) * c;
      for (Size j = 0; j < c; ++j) weight[j] = exponential(row[j] - peak[j]);
      for (Size j = 0; j < c; ++j) sum[j] += weight[j];
      for (Size j = 0; j < c; ++j) to[j] += weight[j] * value[j];
    }
    for (Size j = 0; j < c; ++j) sum[j] = 1.0f / sum[j];
    for (Size j = 0; j < c; ++j) to[j] *= sum[j];
    for (Size e = first[m]; e < first[m + 1]; ++e) {
      float* weight = weights + (group * a.rows + e) * c;
      for (Size j = 0; j < c; ++j) weight[j] *= sum[j];
    }
  }
}

static void backward_of(const Attention& a, Size group, const float* values, const float* weights,
                        const float* out, const float* of_out, float* of_logits,
                        float* of_values) {
  const Size c = a.channels;
  const int64_t* first = a.first + group % a.patches * (a.slots + 1);
  for (Size m = 0; m < a.slots; ++m) {
    const float *made = out + (group * a.slots + m) * c, *worth = of_out + (group * a.slots + m) * c;
    for (Size e = first[m]; e < first[m + 1]; ++e) {
      const Size row = (group * a.rows + e) * c;
      for (Size j = 0; j < c; ++j) of_values[row + j] = worth[j] * weights[row + j];
      for (Size j = 0; j < c; ++j)
        of_logits[row + j] = (values[row + j] - made[j]) * of_values[row + j];
    }
  }
  const Size end = (group * a.rows + first[a.slots]) * c, last = (group + 1) * a.rows * c;
  std::fill(of_values + end, of_values + last, 0.0f);
  std::fill(of_logits + end, of_logits + last, 0.0f);
}

extern "C" int attend_forward(const Attention* a, const float* logits, const float* values,
                              float* weights, float* out, int threads) {
  return in_tasks(a->trials * a->patches, threads, [&](Size group) {
    forward_of(*a, group, logits, values, weights, out);
  });
}

extern "C" int attend_backward(const Attention* a, const float* values, const float* weights,
                               const float* out, const float* of_out, float* of_logits,
                               float* of_values, int threads) {
  return in_tasks(a->trials * a->patches, threads, [&](Size group) {
    backward_of(*a, group, values, weights, out, of_out, of_logits, of_values);
  });
}
