// What both softmaxes take.

#pragma once

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>

// e^x for x <= 0, to about one unit in the last place (Cephes). What is no number stays none, and
// minus infinity becomes none: only a network that diverged makes it. Neither may reach the cast,
// which would be undefined; and `x - x`, which would carry them along, is 0 to the compiler.
static inline float exponential(float x) {
  const float bounded = x > -87.0f ? x : -87.0f;
  const float n = std::floor(bounded * 1.44269504f + 0.5f);
  const float r = bounded - n * 0.693359375f + n * 2.12194440e-4f;
  float y = 1.9875691500e-4f;
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * r * r + r + 1.0f;
  const int32_t bits = ((int32_t)n + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return x >= -FLT_MAX ? y * power : NAN;
}
