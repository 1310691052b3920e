// Binary symbols by mixed adaptive predictions, in integers: the same on every machine.
//
// Each symbol is predicted in several contexts. Each context has a slot that has learned how often
// the bit was one; the logits of their probabilities are added with weights that learn too, and the
// sum is the probability by which a range coder codes the bit. The method is that of Mahoney's
// "Adaptive Weighing of Context Models for Lossless Data Compression" (2005) and its successors.
// `model/octree/plain.py` is the same in Python.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

static const int MOST_SEEN = 127;           // a slot's rate of learning falls no further
static const int FARTHEST = 3071;           // logits, in 1/256
static const int32_t HEAVIEST = 1 << 22;    // weights, in 1/65536

// What Python has computed in exact arithmetic.
struct Constants {
  const int32_t* logit;        // (4096,) of the probability (i + 1/2) / 4096, in 1/256
  const int32_t* probability;  // (6143,) of the logits from -3071 on, in 1/65536
  const int32_t* rate;         // (128,) of learning of a slot that was used so often, in 1/65536
};

// N contexts of 2^SLOT_BITS slots each, and SETS rows of weights that are added up.
template <int N, int SETS, int SLOT_BITS>
struct Predictor {
  Constants constants;
  uint32_t* slots;   // (N, 2^SLOT_BITS): 17 bits of probability, 7 of how often it was used, 8 of whose it is
  int32_t* weights;  // (rows, N)
  uint32_t* cell[N];
  int32_t* row[SETS];
  int32_t logit[N];
  int32_t p;

  Predictor(const Constants& c, uint32_t* s, int32_t* w) : constants(c), slots(s), weights(w), p(0) {}

  // The probability of a one in 1/65536, from 16 to 65520.
  int32_t predict(const uint64_t* contexts, const int* rows) {
    int64_t sum = 0;
    for (int k = 0; k < SETS; ++k) row[k] = weights + (int64_t)rows[k] * N;
    for (int i = 0; i < N; ++i) {
      const uint64_t hash = contexts[i] * 0x9E3779B97F4A7C15u;
      cell[i] = slots + ((int64_t)i << SLOT_BITS) + (hash >> (64 - SLOT_BITS));
      // Another context's slot is taken over: what that one has learned would mislead.
      const uint32_t whose = hash >> (56 - SLOT_BITS) & 255;
      if ((*cell[i] & 255) != whose) *cell[i] = 1u << 31 | whose;
      logit[i] = constants.logit[*cell[i] >> 20];
    }
    for (int i = 0; i < N; ++i) {
      int32_t weight = 0;
      for (int k = 0; k < SETS; ++k) weight += row[k][i];
      sum += (int64_t)logit[i] * weight;
    }
    const int64_t mixed = std::min<int64_t>(std::max<int64_t>(sum >> 16, -FARTHEST), FARTHEST);
    return p = constants.probability[mixed + FARTHEST];
  }

  void learn(int bit) {
    const int32_t error = (bit << 16) - p;
    for (int i = 0; i < N; ++i) {
      const int32_t step = (logit[i] * error + 32768) >> 16;
      for (int k = 0; k < SETS; ++k) row[k][i] = std::min(std::max(row[k][i] + step, -HEAVIEST), HEAVIEST);
    }
    const int64_t target = bit ? (1 << 17) - 1 : 0;
    for (int i = 0; i < N; ++i) {
      const uint32_t seen = *cell[i] >> 8 & 127, whose = *cell[i] & 255;
      const int64_t was = *cell[i] >> 15;
      const int64_t is = was + ((target - was) * constants.rate[seen] >> 16);
      *cell[i] = (uint32_t)is << 15 | std::min<uint32_t>(seen + 1, MOST_SEEN) << 8 | whose;
    }
  }

  template <class Coder>
  int code(Coder& coder, int bit, const uint64_t* contexts, const int* rows) {
    bit = coder.bit(bit, predict(contexts, rows));
    learn(bit);
    return bit;
  }
};

// A range coder without carry (Mahoney's, of 32 bits): the interval's first bytes go out as soon as
// its two ends agree on them.
struct Interval {
  uint32_t low = 0, high = 0xFFFFFFFFu;
  uint32_t middle(int32_t p) const { return low + (uint32_t)((uint64_t)(high - low) * (uint32_t)p >> 16); }
  bool settled() const { return (low ^ high) >> 24 == 0; }
  void shift() { low <<= 8, high = high << 8 | 255; }
  // The byte that ends a stream; none where zeros, which are read after the end, will do.
  bool has_last() const { return low != 0; }
  uint8_t last() const { return (uint8_t)((low >> 24) + 1); }
};

struct Writer {
  Interval interval;
  uint8_t* out;
  int64_t capacity, size = 0;  // what does not fit is counted, and not written
  Writer(uint8_t* o, int64_t c) : out(o), capacity(c) {}
  bool failed() const { return false; }
  void put(uint8_t byte) {
    if (size < capacity) out[size] = byte;
    ++size;
  }
  int bit(int bit, int32_t p) {
    const uint32_t middle = interval.middle(p);
    if (bit) interval.high = middle; else interval.low = middle + 1;
    for (; interval.settled(); interval.shift()) put((uint8_t)(interval.high >> 24));
    return bit;
  }
  void finish() {
    if (interval.has_last()) put(interval.last());
  }
};

struct Reader {
  Interval interval;
  const uint8_t* data;
  int64_t size, shifted = 0;
  uint32_t code = 0;
  bool bad = false;
  Reader(const uint8_t* d, int64_t n) : data(d), size(n) {
    for (int64_t i = 0; i < 4; ++i) code = code << 8 | at(i);
  }
  uint32_t at(int64_t i) const { return i < size ? data[i] : 0; }
  bool failed() const { return bad; }
  int bit(int, int32_t p) {
    const uint32_t middle = interval.middle(p);
    const int bit = code <= middle;
    if (bit) interval.high = middle; else interval.low = middle + 1;
    for (; interval.settled(); interval.shift()) {
      code = code << 8 | at(shifted + 4);
      bad |= ++shifted > size;  // no writer's: it would have put these bytes out
    }
    return bit;
  }
  // Whether the stream is what a writer of the same bits would have written.
  bool whole() const {
    return !bad && size == shifted + interval.has_last() && (!interval.has_last() || data[size - 1] == interval.last());
  }
};

// Adds up what bits cost ideally.
struct Counter {
  double bits = 0.0;
  bool failed() const { return false; }
  int bit(int bit, int32_t p) {
    bits -= std::log2((bit ? p : 65536 - p) / 65536.0);
    return bit;
  }
};
