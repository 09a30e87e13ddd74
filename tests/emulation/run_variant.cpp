#include "tests/emulation/run_variant.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/emulation/error.h"
#include "kernels/emulation/settings.h"
#include "tests/support/tolerance.h"

namespace metatape::emulation_cases {
namespace {

using kernels::emulation::EmulationError;
using kernels::emulation::Order;
using kernels::emulation::settings;

using Values = std::vector<float>;

constexpr int kMostTerms = 500;  // of a sum in these kernels

std::vector<Variant>& registered() {
  static std::vector<Variant> variants;
  return variants;
}

/// Device memory as long as this lives.
class DeviceValues {
 public:
  explicit DeviceValues(std::size_t count) : count_(count) {
    cudaMalloc(&data_, count * sizeof(float));
  }
  explicit DeviceValues(const Values& values) : DeviceValues(values.size()) {
    cudaMemcpy(data_, values.data(), count_ * sizeof(float), cudaMemcpyHostToDevice);
  }
  DeviceValues(const DeviceValues&) = delete;
  DeviceValues& operator=(const DeviceValues&) = delete;
  ~DeviceValues() {
    try {
      cudaFree(data_);
    } catch (const EmulationError&) {  // of a kernel that failed before
    }
  }
  float* data() const { return data_; }
  Values to_host() const {
    Values values(count_);
    cudaMemcpy(values.data(), data_, count_ * sizeof(float), cudaMemcpyDeviceToHost);
    return values;
  }

 private:
  float* data_ = nullptr;
  std::size_t count_;
};

struct Problem {
  int rows, columns, depth;
  Values a, b, expected;
};

Values numbers(int count, unsigned seed) {  // in [0, 1), by a small linear generator
  Values values(count);
  for (float& value : values) {
    seed = seed * 1664525u + 1013904223u;
    value = float(seed >> 8) / float(1u << 24);
  }
  return values;
}

Problem block_sum() {
  Problem p{3, 1000, 0, numbers(1000, 1), {}, Values(3)};
  for (int i = 0; i < p.columns; ++i) p.expected[i / 128 % p.rows] += p.a[i];
  return p;
}

Problem gemm() {
  Problem p{11, 19, 21, numbers(11 * 21, 2), numbers(21 * 19, 3), Values(11 * 19)};
  for (int i = 0; i < p.rows; ++i) {
    for (int j = 0; j < p.columns; ++j) {
      for (int k = 0; k < p.depth; ++k) {
        p.expected[i * p.columns + j] += p.a[i * p.depth + k] * p.b[k * p.columns + j];
      }
    }
  }
  return p;
}

Problem softmax() {
  Problem p{4, 77, 0, numbers(4 * 77, 4), {}, Values(4 * 77)};
  for (int i = 0; i < p.rows; ++i) {
    float sum = 0;
    for (int j = 0; j < p.columns; ++j) sum += std::exp(p.a[i * p.columns + j]);
    for (int j = 0; j < p.columns; ++j) {
      p.expected[i * p.columns + j] = std::exp(p.a[i * p.columns + j]) / sum;
    }
  }
  return p;
}

Problem histogram() {
  Problem p{0, 500, 0, numbers(500, 5), {}, Values(16)};
  unsigned counts[16] = {};
  for (const float value : p.a) ++counts[int(value * 16)];
  std::memcpy(p.expected.data(), counts, sizeof counts);
  return p;
}

Problem vector_copy() {
  Problem p{0, 200, 0, numbers(200, 6), {}, {}};
  p.expected = p.a;
  return p;
}

Problem problem_of(const std::string& kernel) {
  if (kernel == "block_sum") return block_sum();
  if (kernel == "gemm") return gemm();
  if (kernel == "softmax") return softmax();
  if (kernel == "histogram") return histogram();
  return vector_copy();
}

std::string compare(const Values& found, const Values& expected) {
  const float largest = *std::max_element(expected.begin(), expected.end());
  const double allowed = tolerance::kernel<float>(kMostTerms) * largest;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!(std::abs(found[i] - expected[i]) <= allowed)) {
      return "wrong result at " + std::to_string(i) + ": " + std::to_string(found[i]) +
             " instead of " + std::to_string(expected[i]);
    }
  }
  return {};
}

}  // namespace

Registration::Registration(const char* kernel, int bug, Launcher launch) {
  registered().push_back({kernel, bug, launch});
}

const std::vector<Variant>& variants() { return registered(); }

Run run_variant(const Variant& variant) {
  const Problem p = problem_of(variant.kernel);
  const DeviceValues a(p.a), b(p.b), out(p.expected.size());
  Run run;
  try {
    if (variant.kernel == std::string("histogram")) {
      cudaMemset(out.data(), 0, p.expected.size() * sizeof(float));
    }
    variant.launch({a.data(), b.data(), out.data(), p.rows, p.columns, p.depth});
    cudaDeviceSynchronize();
    run.out = out.to_host();
    run.finding = compare(run.out, p.expected);
  } catch (const EmulationError& error) {
    run.finding = error.what();
  }
  return run;
}

std::string findings_in_all_orders(const Variant& variant) {
  std::string findings;
  Values first;
  for (const auto& [order, seed] : {std::pair{Order::ascending, 0}, std::pair{Order::descending, 0},
                                    std::pair{Order::random, 1}, std::pair{Order::random, 2}}) {
    settings().order = order;
    settings().seed = seed;
    const Run run = run_variant(variant);
    if (!run.finding.empty()) findings += run.finding + "\n";
    if (first.empty()) first = run.out;
    if (run.finding.empty() && first.size() == run.out.size() &&
        std::memcmp(first.data(), run.out.data(), first.size() * sizeof(float)) != 0) {
      findings += "differs between orders\n";
    }
  }
  settings().order = Order::ascending;
  return findings;
}

}  // namespace metatape::emulation_cases
