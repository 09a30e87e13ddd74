#pragma once

// The layers of the networks once more, in plain loops.

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "engine/model.h"
#include "tests/support/compare.h"
#include "tests/support/sandbox.h"
#include "tests/support/tolerance.h"

namespace metatape::plain {

using Values = std::vector<double>;
using ValuesByName = std::map<std::string, Values>;

inline Values random_values(std::int64_t count, std::mt19937_64& random) {
  std::normal_distribution<double> normal(0, 0.6);
  Values values(static_cast<std::size_t>(count));
  for (double& v : values) v = normal(random);
  return values;
}

/// Images [N,H,W,C].
struct Images {
  std::int64_t n = 0, h = 0, w = 0, c = 0;
  Values data = {};

  Images(std::int64_t count, std::int64_t height, std::int64_t width, std::int64_t channels)
      : n(count), h(height), w(width), c(channels), data(std::size_t(n * h * w * c)) {}
  double& at(std::int64_t i, std::int64_t y, std::int64_t x, std::int64_t k) {
    return data[std::size_t(((i * h + y) * w + x) * c + k)];
  }
  template <class F>
  void for_each(F&& f) {
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t y = 0; y < h; ++y)
        for (std::int64_t x = 0; x < w; ++x)
          for (std::int64_t k = 0; k < c; ++k) f(i, y, x, k);
  }
};

/// Square filters of an odd size, padded so that stride 1 keeps the extents.
inline Images convolve(Images in, const Values& filter, std::int64_t filters, std::int64_t size,
                       std::int64_t stride = 1) {
  Images out(in.n, (in.h - 1) / stride + 1, (in.w - 1) / stride + 1, filters);
  out.for_each([&](auto i, auto y, auto x, auto k) {
    for (std::int64_t r = 0; r < size; ++r)
      for (std::int64_t s = 0; s < size; ++s) {
        const std::int64_t row = y * stride + r - size / 2, column = x * stride + s - size / 2;
        if (row < 0 || row >= in.h || column < 0 || column >= in.w) continue;
        for (std::int64_t c = 0; c < in.c; ++c)
          out.at(i, y, x, k) += in.at(i, row, column, c) *
                                filter[std::size_t(((k * size + r) * size + s) * in.c + c)];
      }
  });
  return out;
}

/// Batch norm with the statistics of these images.
inline void normalise(Images& x, const Values& gamma, const Values& beta, double epsilon) {
  const double count = double(x.n * x.h * x.w);
  Values mean(gamma.size()), variance(gamma.size());
  x.for_each([&](auto i, auto r, auto s, auto k) { mean[k] += x.at(i, r, s, k) / count; });
  x.for_each([&](auto i, auto r, auto s, auto k) {
    variance[k] += std::pow(x.at(i, r, s, k) - mean[k], 2) / count;
  });
  x.for_each([&](auto i, auto r, auto s, auto k) {
    double& v = x.at(i, r, s, k);
    v = (v - mean[k]) / std::sqrt(variance[k] + epsilon) * gamma[k] + beta[k];
  });
}

inline void rectify(Images& x, double slope = 0) {
  for (double& v : x.data) v = v > 0 ? v : slope * v;
}

inline Images max_pool(Images in) {
  Images out(in.n, in.h / 2, in.w / 2, in.c);
  out.for_each([&](auto i, auto y, auto x, auto k) {
    out.at(i, y, x, k) =
        std::max(std::max(in.at(i, 2 * y, 2 * x, k), in.at(i, 2 * y, 2 * x + 1, k)),
                 std::max(in.at(i, 2 * y + 1, 2 * x, k), in.at(i, 2 * y + 1, 2 * x + 1, k)));
  });
  return out;
}

inline Images mean_over_image(Images in) {
  Images out(in.n, 1, 1, in.c);
  in.for_each([&](auto i, auto y, auto x, auto k) {
    out.at(i, 0, 0, k) += in.at(i, y, x, k) / double(in.h * in.w);
  });
  return out;
}

/// rows [N, inputs], weight [outputs, inputs] -> [N, outputs]
inline Values linear(const Values& rows, const Values& weight, const Values& bias) {
  const std::size_t outputs = bias.size(), inputs = weight.size() / outputs;
  Values result;
  for (std::size_t row = 0; row * inputs < rows.size(); ++row)
    for (std::size_t k = 0; k < outputs; ++k) {
      double sum = bias[k];
      for (std::size_t f = 0; f < inputs; ++f)
        sum += rows[row * inputs + f] * weight[k * inputs + f];
      result.push_back(sum);
    }
  return result;
}

// ---- a network beside its reference ------------------------------------------------------------

/// Random parameters of a network, as numbers and on a tape.
struct Instance {
  explicit Instance(const Model& network, std::uint64_t seed = 5) : model(network), random(seed) {
    for (const Parameter& p : model.parameters) {
      values[p.name] = random_values(p.shape.elements(), random);
      theta.add(p.name, p.group, s.value(p.shape, values[p.name]));
    }
  }
  /// Random examples, in the tape's order and by task.
  Var examples(std::int64_t count, std::int64_t tasks) {
    std::vector<std::int64_t> extents = model.input;
    extents.insert(extents.begin(), count);
    const Shape shape(tasks, extents);
    pixels = random_values(shape.elements(), random);
    return s.value(shape, pixels);
  }
  Values direction_of(const std::vector<Var>& moved) {
    std::int64_t count = 0;
    for (const Var& v : moved) count += v.shape().elements();
    return random_values(count, random);
  }
  /// The elements of all values, one after the other.
  Values run(const std::vector<Var>& fetch) {
    Values all;
    for (const Tensor& t : s.run_all(fetch)) {
      const Values part = t.values();
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }
  /// d fetch / d step of moved + step direction, by central differences. The step is so short that
  /// no ReLU or pooling of these sizes changes its mind.
  Values difference(const std::vector<Var>& fetch, const std::vector<Var>& moved,
                    const Values& direction) {
    constexpr double kStep = 1e-5;
    Values slope = run_moved(kStep, fetch, moved, direction);
    const Values down = run_moved(-kStep, fetch, moved, direction);
    for (std::size_t i = 0; i < slope.size(); ++i) slope[i] = (slope[i] - down[i]) / (2 * kStep);
    return slope;
  }

  Model model;
  std::mt19937_64 random;
  Sandbox s;
  ParamSet theta;
  ValuesByName values;
  Values pixels;

 private:
  Values run_moved(double step, const std::vector<Var>& fetch, const std::vector<Var>& moved,
                   const Values& direction) {
    const StateStore kept = s.store;
    auto d = direction.begin();
    for (const Var& v : moved) {
      const int slot = s.tape.at(v.id).attr.as<SlotAttr>().slot;
      Tensor& value = s.store.at(s.tape.slots()[std::size_t(slot)].name);
      for (std::int64_t e = 0; e < value.elements(); ++e)
        value.set_at(e, value.at(e) + step * *d++);
    }
    Values results = run(fetch);
    s.store = kept;
    return results;
  }
};

/// reference(values, images) -> logits of one task.
template <class Reference>
void expect_equals(const Model& model, Reference&& reference) {
  constexpr std::int64_t kImages = 3, kTasks = 2;
  Instance net(model);
  const Var logits = net.model.forward(net.theta, net.examples(kImages, kTasks));
  ASSERT_EQ(logits.shape(), (Shape{kImages, model.outputs}.with_tasks(kTasks)));

  Values expected;
  for (std::int64_t t = 0; t < kTasks; ++t) {
    Images of_task(kImages, model.input[0], model.input[1], model.input[2]);
    const std::int64_t count = std::int64_t(of_task.data.size());
    std::copy_n(net.pixels.begin() + t * count, count, of_task.data.begin());
    const Values part = reference(net.values, of_task);
    expected.insert(expected.end(), part.begin(), part.end());
  }
  expect_all_near(net.s.run(logits), expected, tolerance::kExactForms, "logits");
}

inline const Parameter& find(const Model& model, const std::string& name) {
  for (const Parameter& p : model.parameters)
    if (p.name == name) return p;
  throw std::out_of_range(name);
}

}  // namespace metatape::plain
