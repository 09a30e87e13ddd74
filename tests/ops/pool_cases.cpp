#include <fmt/format.h>

#include "tests/ops/op_cases.h"

namespace metatape {
namespace {

struct Pooling {
  Shape x;  ///< [N,H,W,C]
  PoolOptions options;

  Shape y() const {
    return x.with_extent(1, (x[1] - options.window) / options.stride + 1)
        .with_extent(2, (x[2] - options.window) / options.stride + 1);
  }
};

const Pooling kPoolings[] = {
    {{1, 1, 1, 1}, {.window = 1, .stride = 1}},
    {{1, 2, 2, 1}, {}},
    {{2, 4, 6, 3}, {}},
    {{1, 5, 7, 2}, {}},  // odd: the last row and column are dropped
    {per_task(3, {1, 5, 4, 2}), {}},
    {{1, 5, 5, 2}, {.window = 3, .stride = 2}},  // overlapping windows
    {per_task(2, {2, 4, 4, 1}), {.window = 2, .stride = 1}},
    {{1, 7, 5, 1}, {.window = 2, .stride = 3}},  // gaps between windows
    {{1, 3, 3, 1}, {.window = 3, .stride = 1}},
};

/// Place r window + s of the largest element of one window.
std::int64_t largest_in_window(const Pooling& p, const Tensor& x, const Index& at) {
  std::int64_t best = -1;
  double largest = 0;
  for (std::int64_t r = 0; r < p.options.window; ++r)
    for (std::int64_t s = 0; s < p.options.window; ++s) {
      Index source = at;
      source[1] = at[1] * p.options.stride + r;
      source[2] = at[2] * p.options.stride + s;
      const double value = element(x, source);
      if (best >= 0 && value <= largest) continue;
      largest = value;
      best = r * p.options.window + s;
    }
  return best;
}

/// Index of that element of the large image.
Index source_of(const Pooling& p, const Tensor& x, const Index& at) {
  const std::int64_t chosen = largest_in_window(p, x, at);
  Index source = at;
  source[1] = at[1] * p.options.stride + chosen / p.options.window;
  source[2] = at[2] * p.options.stride + chosen % p.options.window;
  return source;
}

/// Operand 0 at the places of the largest elements of operand `chooser`.
Reference gathered(const Pooling& p, std::size_t chooser) {
  return by_element(p.y(), [=](std::span<const Tensor> x, const Index& at) {
    return element(x[0], source_of(p, x[chooser], at));
  });
}

std::vector<double> scattered(const Pooling& p, std::span<const Tensor> x) {
  std::vector<double> large(std::size_t(p.x.elements()), 0.0);
  for (const Index& at : indices_of(p.y()))
    large[std::size_t(place(p.x, source_of(p, x[1], at)))] += element(x[0], at);
  return large;
}

OpCase pool_case(const char* subject, OpId op, const Pooling& p, std::vector<Operand> operands,
                 Builder build, Reference reference, Curvature curvature = Curvature::none) {
  return {.subject = subject,
          .op = op,
          .name = fmt::format("{}, window {}, stride {}", p.x.str(), p.options.window,
                              p.options.stride),
          .operands = std::move(operands),
          .build = std::move(build),
          .reference = std::move(reference),
          .curvature = curvature,
          .sampling = Sampling::spaced};
}

}  // namespace

OpCases pool_cases() {
  OpCases cases;
  for (const Pooling& p : kPoolings) {
    cases.push_back(pool_case(
        "max_pool2d", OpId::pool_gather, p, {{p.x}},
        [p](Tape&, std::span<const Var> x) { return max_pool2d(x[0], p.options); },
        gathered(p, 0)));
    cases.push_back(pool_case(
        "max_pool_index", OpId::max_pool_index, p, {{p.x}},
        [p](Tape&, std::span<const Var> x) { return max_pool_index(x[0], p.options); },
        by_element(p.y(), [p](std::span<const Tensor> x,
                              const Index& at) { return double(largest_in_window(p, x[0], at)); }),
        Curvature::constant));
    cases.push_back(pool_case(
        "pool_gather", OpId::pool_gather, p, {{p.x}, {p.x}},
        [p](Tape&, std::span<const Var> x) {
          return pool_gather(x[0], max_pool_index(x[1], p.options), p.options);
        },
        gathered(p, 1)));
    cases.push_back(pool_case(
        "pool_scatter", OpId::pool_scatter, p, {{p.y()}, {p.x}},
        [p](Tape&, std::span<const Var> x) {
          return pool_scatter(x[0], max_pool_index(x[1], p.options), p.x[1], p.x[2], p.options);
        },
        [p](std::span<const Tensor> x) { return scattered(p, x); }));
  }
  return cases;
}

}  // namespace metatape
