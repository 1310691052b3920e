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
#include <cstring>

#define ALWAYS_INLINE inline __attribute__((always_inline))

static const int MOST_SEEN = 127;           // a slot's rate of learning falls no further
static const int FARTHEST = 3071;           // logits, in 1/256
static const int32_t HEAVIEST = 1 << 22;    // weights, in 1/65536

// What Python has computed in exact arithmetic. Small numbers, for all of it is to stay in the first cache.
struct Constants {
  const int16_t* logit;         // (4096,) of the probability (i + 1/2) / 4096, in 1/256
  const uint16_t* probability;  // (6143,) of the logits from -3071 on, in 1/65536
  const uint16_t* rate;         // (128,) of learning of a slot that was used so often, in 1/65536
};

// Eight numbers that are worked on at once, one for each context; where there are fewer the others are zeros.
// Compilers make what the machine has of them.
static const int LANES = 8;
typedef int16_t Shorts __attribute__((vector_size(2 * LANES)));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));
typedef uint32_t Words __attribute__((vector_size(4 * LANES)));
typedef int64_t Longs __attribute__((vector_size(8 * LANES)));

// N contexts of 2^SLOT_BITS slots each, and SETS rows of weights that are added up.
template <int N, int SETS, int SLOT_BITS>
struct Predictor {
  static_assert(N <= LANES, "one context to a lane");
  Constants constants;
  uint32_t* slots;   // (N, 2^SLOT_BITS): 17 bits of probability, 7 of how often it was used, 8 of whose it is
  int32_t* weights;  // (rows, N)

  Predictor(const Constants& c, uint32_t* s, int32_t* w) : constants(c), slots(s), weights(w) {}

  template <class Coder>
  ALWAYS_INLINE int code(Coder& coder, int bit, const uint64_t* contexts, const uint32_t* rows) {
    uint32_t* cell[N];
    Words slot = {}, whose = {};
    Shorts logits = {};
    Halves rates = {};
    for (int i = 0; i < N; ++i) {
      const uint64_t hash = contexts[i] * 0x9E3779B97F4A7C15u;
      cell[i] = slots + ((int64_t)i << SLOT_BITS) + (hash >> (64 - SLOT_BITS));
      const uint32_t found = *cell[i];
      whose[i] = (uint32_t)(hash >> 32);
      slot[i] = found;
      logits[i] = constants.logit[found >> 20];
      rates[i] = constants.rate[found >> 8 & 127];
    }
    // Another context's slot is taken over: what that one has learned would mislead.
    whose = whose >> (24 - SLOT_BITS) & 255;
    const Ints taken = (Ints)((slot & 255) != whose);
    slot = (Words)taken ? 1u << 31 | whose : slot;
    const Ints logit = taken ? constants.logit[1 << 11] - Ints{} : __builtin_convertvector(logits, Ints);
    const Ints rate = taken ? constants.rate[0] - Ints{} : __builtin_convertvector(rates, Ints);

    Ints row[SETS], weight = {};
    for (int k = 0; k < SETS; ++k) {
      row[k] = Ints{};
      std::memcpy(&row[k], weights + (int64_t)rows[k] * N, N * sizeof(int32_t));
      weight += row[k];
    }
    const Longs products = __builtin_convertvector(logit, Longs) * __builtin_convertvector(weight, Longs);
    int64_t sum = 0;
    for (int i = 0; i < LANES; ++i) sum += products[i];
    const int64_t mixed = std::min<int64_t>(std::max<int64_t>(sum >> 16, -FARTHEST), FARTHEST);
    const int32_t p = constants.probability[mixed + FARTHEST];  // of a one in 1/65536, from 16 to 65520
    bit = coder.bit(bit, p);

    const Ints step = (logit * ((bit << 16) - p) + 32768) >> 16, heaviest = HEAVIEST - Ints{};
    for (int k = 0; k < SETS; ++k) {
      row[k] += step;
      row[k] = row[k] > heaviest ? heaviest : row[k] < -heaviest ? -heaviest : row[k];
      std::memcpy(weights + (int64_t)rows[k] * N, &row[k], N * sizeof(int32_t));
    }
    const Ints was = (Ints)(slot >> 15), away = (bit ? (1 << 17) - 1 : 0) - was;
    // away * rate >> 16, which takes 34 bits, in two halves.
    const Ints is = was + (((away >> 8) * rate + ((away & 255) * rate >> 8)) >> 8);
    const Words seen = slot >> 8 & 127;
    slot = (Words)is << 15 | (seen + (seen < MOST_SEEN ? 1u - Words{} : Words{})) << 8 | (slot & 255);
    for (int i = 0; i < N; ++i) *cell[i] = slot[i];
    return bit;
  }
};

// A range coder without carry (Mahoney's, of 32 bits): the interval's first bytes go out as soon as
// its two ends agree on them.
struct Interval {
  uint32_t low = 0, high = 0xFFFFFFFFu;
  uint32_t middle(int32_t p) const { return low + (uint32_t)((uint64_t)(high - low) * (uint32_t)p >> 16); }
  void narrow(int bit, uint32_t middle) {  // without a branch: half of all bits would be guessed wrongly
    high = bit ? middle : high;
    low = bit ? low : middle + 1;
  }
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
    interval.narrow(bit, interval.middle(p));
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
    interval.narrow(bit, middle);
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
