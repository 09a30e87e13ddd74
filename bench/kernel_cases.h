#pragma once

// Calls of kernels on the shapes that the workloads of bench/README.md give them.

#include <fmt/format.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/cpu_ceilings.h"
#include "bench/layers.h"
#include "bench/machine.h"
#include "kernels/cholesky/cholesky.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/distances/distances.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/matmul/matmul.h"
#include "kernels/pool/pool.h"
#include "kernels/reduce/reduce.h"
#include "kernels/triangular_solve/triangular_solve.h"

namespace metatape::bench {

/// One kernel on one shape. `shape` holds its extents by name: from them another library's call is
/// made (bench/peers/torch_kernels.py). `bytes`: each operand read once, the result written once.
template <class Machine>
struct Case {
  std::string kernel, where;
  nlohmann::json shape;
  double flops = 0, bytes = 0;
  /// Allocates and fills the operands; what it returns runs the kernel.
  std::function<std::function<void()>(Machine&)> prepare;
};

template <class Machine>
using Cases = std::vector<Case<Machine>>;

// Convolution.

template <class Machine>
void add_convolutions(Cases<Machine>& cases, const Layer& l) {
  using namespace kernels;
  const Conv2dGeometry g{.tasks = l.tasks,
                         .images = l.images,
                         .height = l.side,
                         .width = l.side,
                         .channels = l.channels,
                         .filters = l.filters,
                         .filter_height = 3,
                         .filter_width = 3,
                         .stride = int(l.stride),
                         .pad = 1};
  // Counts per task.
  const std::int64_t pixels = l.images * l.out_side() * l.out_side();
  const std::int64_t x = l.images * l.side * l.side * l.channels, y = pixels * l.filters;
  const std::int64_t w = l.filters * 9 * l.channels;
  const nlohmann::json shape{{"tasks", l.tasks},       {"images", l.images},
                             {"height", l.side},       {"width", l.side},
                             {"channels", l.channels}, {"filters", l.filters},
                             {"filter_height", 3},     {"filter_width", 3},
                             {"stride", l.stride},     {"pad", 1}};
  const double flops = 2.0 * double(l.tasks) * double(pixels) * double(w);
  const double bytes = 4.0 * double(l.tasks) * double(x + y + w);
  auto add = [&](const char* kernel, auto prepare) {
    cases.push_back({kernel, l.where, shape, flops, bytes, prepare});
  };
  add("conv2d", [=](Machine& m) {
    auto* in = random_values(m, g.tasks * x);
    auto* filter = random_values(m, g.tasks * w);
    auto* out = space<float>(m, g.tasks * y);
    auto* extra = space<float>(m, conv2d_workspace_elements(g, m.context()));
    return [=, &m] { conv2d<float>({g, x, w, in, filter, out, extra}, m.context()); };
  });
  if (l.channels > 3)  // nobody asks for the gradient of the images
    add("conv2d_input_grad", [=](Machine& m) {
      auto* out_bar = random_values(m, g.tasks * y);
      auto* filter = random_values(m, g.tasks * w);
      auto* in_bar = space<float>(m, g.tasks * x);
      auto* extra = space<float>(m, conv2d_input_grad_workspace_elements(g, m.context()));
      return [=, &m] {
        conv2d_input_grad<float>({g, y, w, out_bar, filter, in_bar, extra}, m.context());
      };
    });
  add("conv2d_weight_grad", [=](Machine& m) {
    auto* in = random_values(m, g.tasks * x);
    auto* out_bar = random_values(m, g.tasks * y);
    auto* filter_bar = space<float>(m, g.tasks * w);
    auto* extra = space<float>(m, conv2d_weight_grad_workspace_elements(g, m.context()));
    return [=, &m] {
      conv2d_weight_grad<float>({g, x, y, in, out_bar, filter_bar, extra}, m.context());
    };
  });
}

// What batch norm, ReLU and pooling are made of: arrays [tasks, rows, channels], rows = images H W.

template <class Machine>
void add_normalisation(Cases<Machine>& cases, const Layer& l) {
  using namespace kernels;
  const std::int64_t rows = l.images * l.out_side() * l.out_side(), channels = l.filters;
  const std::int64_t count = l.tasks * rows * channels, statistics = l.tasks * channels;
  const nlohmann::json shape{{"tasks", l.tasks}, {"rows", rows}, {"channels", channels}};
  const LoopNest loops{3, {l.tasks, rows, channels}};
  const Extents dense{rows * channels, channels, 1}, per_channel{channels, 0, 1};
  auto add = [&](const char* kernel, double flops, std::int64_t moved, auto prepare) {
    cases.push_back({kernel, l.where, shape, flops, 4.0 * double(moved), prepare});
  };
  for (const bool product : {false, true})
    add(product ? "sum_of_products" : "sum", double(product ? 2 * count : count),
        (product ? 2 : 1) * count + statistics, [=](Machine& m) {
          auto* a = random_values(m, count);
          auto* b = product ? random_values(m, count) : nullptr;
          auto* sums = space<float>(m, statistics);
          auto* extra = space<float>(m, sum_workspace_elements(loops, 0b010, m.context()));
          return [=, &m] {
            sum<float>({loops, 0b010, dense, dense, a, b, sums, extra}, m.context());
          };
        });
  add("scale_channels", double(count), 2 * count + statistics, [=](Machine& m) {
    auto* a = random_values(m, count);
    auto* scale = random_values(m, statistics);
    auto* out = space<float>(m, count);
    return [=, &m] {
      binary<float>({BinaryFunction::mul, {}, loops, dense, per_channel, a, scale, out},
                    m.context());
    };
  });
  add("relu_mask", double(count), 3 * count, [=](Machine& m) {
    auto* out_bar = random_values(m, count);
    auto* in = random_values(m, count);
    auto* in_bar = space<float>(m, count);
    return [=, &m] {
      binary<float>(
          {BinaryFunction::relu_mask, {.alpha = 0}, loops, dense, dense, out_bar, in, in_bar},
          m.context());
    };
  });
}

template <class Machine>
void add_pooling(Cases<Machine>& cases, const Layer& l) {
  using namespace kernels;
  const PoolGeometry g{
      .planes = l.tasks * l.images, .height = l.side, .width = l.side, .channels = l.filters};
  const std::int64_t in_count = g.planes * l.side * l.side * l.filters;
  const std::int64_t out_count = g.planes * g.out_height() * g.out_width() * l.filters;
  const nlohmann::json shape{
      {"planes", g.planes}, {"height", l.side}, {"width", l.side}, {"channels", l.filters}};
  auto add = [&](const char* kernel, std::int64_t floats, auto prepare) {
    const double moved = 4.0 * double(floats) + double(sizeof(WindowPlace)) * double(out_count);
    cases.push_back({kernel, l.where, shape, 0, moved, prepare});
  };
  add("max_pool_index", in_count, [=](Machine& m) {
    auto* in = random_values(m, in_count);
    auto* index = space<WindowPlace>(m, out_count);
    return [=, &m] { max_pool_index(g, in, index, m.context()); };
  });
  // The largest elements: one of four, so that at worst each sector of the input is read.
  add("pool_gather", in_count + out_count, [=](Machine& m) {
    auto* in = random_values(m, in_count);
    auto* index = space<WindowPlace>(m, out_count);
    auto* out = space<float>(m, out_count);
    max_pool_index(g, in, index, m.context());
    return [=, &m] { pool_gather(g, in, index, out, m.context()); };
  });
  add("pool_scatter", in_count + out_count, [=](Machine& m) {
    auto* in = random_values(m, in_count);
    auto* index = space<WindowPlace>(m, out_count);
    auto* out_bar = random_values(m, out_count);
    auto* in_bar = space<float>(m, in_count);
    max_pool_index(g, in, index, m.context());
    return [=, &m] { pool_scatter(g, out_bar, index, in_bar, m.context()); };
  });
}

// Matrices.

template <class Machine>
void add_matmul(Cases<Machine>& cases, const std::string& where, std::int64_t batch,
                std::int64_t rows, std::int64_t columns, std::int64_t inner) {
  using namespace kernels;
  const std::int64_t a = rows * inner, b = inner * columns, c = rows * columns;
  cases.push_back({"matmul",
                   where,
                   {{"batch", batch}, {"m", rows}, {"n", columns}, {"k", inner}},
                   2.0 * double(batch) * double(c) * double(inner),
                   4.0 * double(batch) * double(a + b + c),
                   [=](Machine& m) {
                     auto* left = random_values(m, batch * a);
                     auto* right = random_values(m, batch * b);
                     auto* out = space<float>(m, batch * c);
                     return [=, &m] {
                       matmul<float>(
                           {batch, rows, columns, inner, false, false, a, b, left, right, out},
                           m.context());
                     };
                   }});
}

template <class Machine>
void add_factorisation(Cases<Machine>& cases, std::int64_t batch, std::int64_t n) {
  using namespace kernels;
  const double matrix = double(batch) * double(n * n);
  const nlohmann::json shape{{"batch", batch}, {"n", n}};
  const std::string where = fmt::format("{} of {}x{}", batch, n, n);
  cases.push_back({"cholesky", where, shape, matrix * double(n) / 3, 8 * matrix, [=](Machine& m) {
                     auto* a = copy_of(m, dominant_matrices(batch, n));
                     auto* l = space<float>(m, batch * n * n);
                     auto* status = space<MatrixStatus>(m, batch);
                     return [=, &m] { cholesky<float>({batch, n, 3, a, l, status}, m.context()); };
                   }});
  cases.push_back(
      {"triangular_solve", where, shape, matrix * double(n), 10 * matrix, [=](Machine& m) {
         auto* l = copy_of(m, dominant_matrices(batch, n));
         auto* b = random_values(m, batch * n * n);
         auto* x = space<float>(m, batch * n * n);
         return [=, &m] {
           triangular_solve<float>({batch, 1, n, n, false, n * n, n * n, l, b, x}, m.context());
         };
       }});
}

/// Of `rows` features to themselves: what a kernel head factors.
template <class Machine>
void add_distances(Cases<Machine>& cases, std::int64_t tasks, std::int64_t rows,
                   std::int64_t features) {
  using namespace kernels;
  const std::int64_t x = rows * features, pairs = rows * rows;
  cases.push_back({"squared_distances",
                   fmt::format("{} of {}x{}", tasks, rows, features),
                   {{"tasks", tasks}, {"n", rows}, {"d", features}},
                   3.0 * double(tasks * pairs) * double(features),
                   4.0 * double(tasks) * double(2 * x + pairs),
                   [=](Machine& m) {
                     auto* left = random_values(m, tasks * x);
                     auto* right = random_values(m, tasks * x);
                     auto* distances = space<float>(m, tasks * pairs);
                     return [=, &m] {
                       squared_distances<float>(
                           {tasks, 1, rows, rows, features, x, x, left, right, distances},
                           m.context());
                     };
                   }});
}

// What the machine can do: the other cases are held against these two.

template <class Machine>
void add_ceilings(Cases<Machine>& cases, std::size_t copied_bytes, std::int64_t side) {
  cases.push_back({"copy",
                   "ceiling",
                   {{"bytes", copied_bytes}},
                   0,
                   2.0 * double(copied_bytes),
                   [=](Machine& m) {
                     const auto count = std::int64_t(copied_bytes / sizeof(float));
                     auto* from = random_values(m, count);
                     auto* to = space<float>(m, count);
                     return [=, &m] { m.copy(to, from, copied_bytes); };
                   }});
  add_matmul(cases, "ceiling", 1, side, side, side);
}

/// Of a CPU: what its threads reach together in registers and in memory.
inline void add_cpu_ceilings(Cases<CpuMachine>& cases, int threads) {
  constexpr std::int64_t kRounds = 10'000'000;  // some 40 ms, much longer than to begin a thread
  cases.push_back({"multiply_add",
                   "ceiling",
                   {{"threads", threads}},
                   double(kRounds) * double(flops_per_round()) * threads,
                   0,
                   [=](CpuMachine&) { return [=] { multiply_add(kRounds, threads); }; }});
  constexpr std::size_t kCopied = std::size_t{64} << 20;  // floats: 256 MiB, beyond any cache
  cases.push_back({"copy_in_parts",
                   "ceiling",
                   {{"threads", threads}},
                   0,
                   2.0 * sizeof(float) * double(kCopied),
                   [=](CpuMachine&) {
                     const auto from = std::make_shared<std::vector<float>>(kCopied, 1.0f);
                     const auto to = std::make_shared<std::vector<float>>(kCopied);
                     return [=] { copy_in_parts(*from, *to, threads); };
                   }});
}

template <class Machine>
Cases<Machine> all_cases(const std::vector<Layer>& layers) {
  Cases<Machine> cases;
  for (const Layer& l : layers) add_convolutions(cases, l);
  // Layers 3 and 4 have less than a tenth of the bytes.
  for (const Layer& l : layers)
    for (const char* workload : {"W1", "W3", "C2", "C4"})
      if (l.where.starts_with(workload) &&
          (l.where.ends_with("conv1") || l.where.ends_with("conv2"))) {
        add_normalisation(cases, l);
        add_pooling(cases, l);
      }
  add_matmul(cases, "W1 head", 32, 75, 5, 64);
  add_matmul(cases, "W3 head", 4, 75, 5, 1600);
  for (const auto& [batch, n] : {std::pair{32, 5}, {32, 25}, {4, 100}, {32, 128}, {4, 512}})
    add_factorisation(cases, batch, n);
  add_distances(cases, 32, 25, 64);
  add_distances(cases, 4, 100, 1600);
  return cases;
}

}  // namespace metatape::bench
