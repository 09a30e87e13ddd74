#include "bench/cpu_ceilings.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace metatape::bench {
namespace {

// Chains that do not depend on each other: two units of a latency of four need eight.
constexpr int kChains = 12;

/// Keeps the compiler from leaving out work whose result nobody reads.
std::atomic<float> kept_result;

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void chains_of_16(std::int64_t rounds) {
  const __m512 factor = _mm512_set1_ps(0.5f), term = _mm512_set1_ps(1);
  __m512 chain[kChains];
  for (int k = 0; k < kChains; ++k) chain[k] = _mm512_set1_ps(float(k));
  for (std::int64_t i = 0; i < rounds; ++i)
#pragma GCC unroll 12
    for (int k = 0; k < kChains; ++k) chain[k] = _mm512_fmadd_ps(chain[k], factor, term);
  for (int k = 1; k < kChains; ++k) chain[0] = _mm512_add_ps(chain[0], chain[k]);
  kept_result = _mm512_cvtss_f32(chain[0]);
}

__attribute__((target("avx2,fma"))) void chains_of_8(std::int64_t rounds) {
  const __m256 factor = _mm256_set1_ps(0.5f), term = _mm256_set1_ps(1);
  __m256 chain[kChains];
  for (int k = 0; k < kChains; ++k) chain[k] = _mm256_set1_ps(float(k));
  for (std::int64_t i = 0; i < rounds; ++i)
#pragma GCC unroll 12
    for (int k = 0; k < kChains; ++k) chain[k] = _mm256_fmadd_ps(chain[k], factor, term);
  for (int k = 1; k < kChains; ++k) chain[0] = _mm256_add_ps(chain[0], chain[k]);
  kept_result = _mm256_cvtss_f32(chain[0]);
}
#endif

/// What the compiler's own vectors reach, on other processors.
void chains_of_4(std::int64_t rounds) {
  float chain[kChains][4];
  for (int k = 0; k < kChains; ++k) std::fill_n(chain[k], 4, float(k));
  for (std::int64_t i = 0; i < rounds; ++i)
    for (auto& lanes : chain)
      for (float& value : lanes) value = std::fma(value, 0.5f, 1.0f);
  float sum = 0;
  for (const auto& lanes : chain)
    for (const float value : lanes) sum += value;
  kept_result = sum;
}

struct Chains {
  void (*run)(std::int64_t rounds);
  int lanes;
};

Chains widest_chains() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return {chains_of_16, 16};
  if (__builtin_cpu_supports("fma")) return {chains_of_8, 8};
#endif
  return {chains_of_4, 4};
}

template <class Work>
void on_threads(int threads, const Work& work) {
  std::vector<std::jthread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back([&work, t] { work(t); });
  work(0);
}

}  // namespace

void multiply_add(std::int64_t rounds, int threads) {
  const Chains chains = widest_chains();
  on_threads(threads, [&](int) { chains.run(rounds); });
}

std::int64_t flops_per_round() { return 2 * kChains * widest_chains().lanes; }

void copy_in_parts(const std::vector<float>& from, std::vector<float>& to, int threads) {
  const std::size_t part = (from.size() + std::size_t(threads) - 1) / std::size_t(threads);
  on_threads(threads, [&](int t) {
    const std::size_t begin = std::min(from.size(), std::size_t(t) * part);
    const std::size_t end = std::min(from.size(), begin + part);
    std::copy(from.begin() + std::ptrdiff_t(begin), from.begin() + std::ptrdiff_t(end),
              to.begin() + std::ptrdiff_t(begin));
  });
}

}  // namespace metatape::bench
