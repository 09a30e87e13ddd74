#include "kernels/elementwise/elementwise.h"

#include "tests/cuda/cuda_case.h"
#include "tests/support/reference.h"

namespace metatape::cuda_tests {
namespace {

using namespace kernels;
using reference::dense_strides;
using reference::Random;

using Unary = CudaTest;
using Binary = CudaTest;
using Fill = CudaTest;
using Cast = CudaTest;

// A block of the kernels takes 1024 floats, a thread vectors of four.
constexpr std::int64_t kCounts[] = {1, 3, 4, 5, 127, 1021, 1024, 1025, 5003};

constexpr UnaryFunction kUnaryFunctions[] = {
#define MT_NAME(name) UnaryFunction::name,
    MT_UNARY_FUNCTIONS(MT_NAME)
#undef MT_NAME
};
constexpr BinaryFunction kBinaryFunctions[] = {
#define MT_NAME(name) BinaryFunction::name,
    MT_BINARY_FUNCTIONS(MT_NAME)
#undef MT_NAME
};
constexpr Scalars<float> kScalars{0.75f, -1.5f};
constexpr Scalars<double> kWideScalars{kScalars.alpha, kScalars.beta};

bool needs_positive(UnaryFunction f) {
  return f == UnaryFunction::log_ || f == UnaryFunction::sqrt_ || f == UnaryFunction::rsqrt_ ||
         f == UnaryFunction::reciprocal || f == UnaryFunction::pow_;
}

std::vector<float> operand(std::int64_t count, std::uint64_t seed, bool positive) {
  std::vector<float> x = random_values(count, seed);
  if (positive) {
    for (float& v : x) v = 0.5f + std::abs(v);
  }
  return x;
}

/// x and y start `offset` elements into their arrays.
std::vector<float> on_device(UnaryFunction f, const std::vector<float>& x,
                             std::int64_t offset = 0) {
  return run_repeatedly([&](const CudaContext& context) {
    std::vector<float> shifted(offset, 0);
    shifted.insert(shifted.end(), x.begin(), x.end());
    const DeviceArray<float> in(shifted), out(shifted.size());
    unary<float>({f, kScalars, std::int64_t(x.size()), in + offset, out + offset}, context);
    const std::vector<float> y = out.read();
    return std::vector<float>(y.begin() + offset, y.end());
  });
}

TEST_F(Unary, MatchesTheCpuForEveryFunction) {
  for (UnaryFunction f : kUnaryFunctions) {
    SCOPED_TRACE(int(f));
    const std::vector<float> x = operand(2051, 1, needs_positive(f));
    std::vector<double> in = to_double(x), expected(x.size());
    unary<double>({f, kWideScalars, 2051, in.data(), expected.data()}, CpuContext{});
    reference::expect_close(on_device(f, x), expected, tolerance::elementwise<float>());
  }
}

TEST_F(Unary, WritesArraysOfEveryLengthAndAlignment) {
  for (std::int64_t count : kCounts) {
    const std::vector<float> x = random_values(count, 2);
    std::vector<float> expected(x);
    for (float& v : expected) v = v * v;
    for (std::int64_t offset : {0, 1, 4})
      EXPECT_EQ(on_device(UnaryFunction::square, x, offset), expected);
  }
}

TEST_F(Unary, WorksInPlace) {
  const std::vector<float> x = random_values(3001, 3);
  std::vector<float> expected(x);
  for (float& v : expected) v = std::abs(v);
  EXPECT_EQ(run_repeatedly([&](const CudaContext& context) {
              const DeviceArray<float> array(x);
              unary<float>({UnaryFunction::abs_, {}, 3001, array, array}, context);
              return array.read();
            }),
            expected);
}

TEST_F(Unary, LaunchesNothingForNoElements) {
  unary<float>({UnaryFunction::exp_, {}, 0, nullptr, nullptr}, CudaContext{});
  binary<float>({BinaryFunction::add, {}, {2, {3, 0}}, {1, 1}, {1, 1}, nullptr, nullptr, nullptr},
                CudaContext{});
  fill<float>(nullptr, 0, 1, CudaContext{});
  cast<float, float>(nullptr, nullptr, 0, CudaContext{});
  EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess);
}

struct BinaryCase {
  BinaryFunction function;
  LoopNest nest;
  Extents a_strides, b_strides;
  std::vector<float> a, b;
  std::int64_t a_offset = 0, b_offset = 0;
};

std::vector<float> on_device(const BinaryCase& c) {
  return run_repeatedly([&](const CudaContext& context) {
    const DeviceArray<float> a(c.a), b(c.b), y(c.nest.count());
    binary<float>(
        {c.function, kScalars, c.nest, c.a_strides, c.b_strides, a + c.a_offset, b + c.b_offset, y},
        context);
    return y.read();
  });
}

std::vector<double> on_cpu(const BinaryCase& c) {
  const std::vector<double> a = to_double(c.a), b = to_double(c.b);
  std::vector<double> y(c.nest.count());
  binary<double>({c.function, kWideScalars, c.nest, c.a_strides, c.b_strides, a.data() + c.a_offset,
                  b.data() + c.b_offset, y.data()},
                 CpuContext{});
  return y;
}

TEST_F(Binary, MatchesTheCpuOverRandomNests) {
  Random random(61);
  std::int64_t elements = 0;
  for (int trial = 0; trial < 150; ++trial) {
    SCOPED_TRACE(trial);
    const LoopNest nest = reference::random_nest(random);
    if (nest.count() == 0) continue;
    const Extents a_strides = reference::random_strides(nest, random);
    const Extents b_strides = reference::random_strides(nest, random);
    const BinaryCase c{kBinaryFunctions[trial % std::size(kBinaryFunctions)],
                       nest,
                       a_strides,
                       b_strides,
                       operand(nest.count() + 1, trial, false),
                       operand(nest.count() + 1, trial + 1000, true)};
    const std::vector<double> expected = on_cpu(c);
    const std::vector<float> y = on_device(c);
    for (std::int64_t i = 0; i < nest.count(); ++i) {
      ASSERT_LE(std::abs(y[i] - expected[i]),
                tolerance::elementwise<float>() * std::max(1.0, std::abs(expected[i])));
    }
    elements += nest.count();
  }
  EXPECT_GT(elements, 10000);
}

// [T,N,H,W,C] with any of its axes repeated, with channels in vectors and not; each operand at a
// multiple of 16 bytes and beside it. Addition is exact to a rounding, so the bits are known.
TEST_F(Binary, StretchesEveryChoiceOfAxes) {
  for (std::int64_t channels : {1, 5, 8}) {
    const LoopNest nest{5, {2, 3, 3, 2, channels}};
    for (unsigned present = 0; present < 32; ++present) {
      for (std::int64_t offset : {0, 1}) {
        SCOPED_TRACE(testing::Message() << channels << ' ' << present << ' ' << offset);
        const BinaryCase c{BinaryFunction::sub,
                           nest,
                           dense_strides(nest),
                           dense_strides(nest, present),
                           random_values(nest.count() + 1, 4),
                           random_values(nest.count() + 1, 5),
                           offset,
                           1 - offset};
        BinaryCase swapped = c;
        std::swap(swapped.a_strides, swapped.b_strides);
        for (const BinaryCase& it : {c, swapped}) {
          const std::vector<double> exact = on_cpu(it);
          EXPECT_EQ(on_device(it), std::vector<float>(exact.begin(), exact.end()));
        }
      }
    }
  }
}

TEST_F(Binary, WritesArraysOfEveryLength) {
  for (std::int64_t count : kCounts) {
    for (std::int64_t b_stride : {0, 1}) {
      const BinaryCase c{BinaryFunction::mul,     {1, {count}},           {1}, {b_stride},
                         random_values(count, 6), random_values(count, 7)};
      const std::vector<double> exact = on_cpu(c);
      EXPECT_EQ(on_device(c), std::vector<float>(exact.begin(), exact.end()));
    }
  }
}

// The undefined-behaviour sanitizer finds vectors read from there.
TEST_F(Binary, ReadsRowsThatStartBetweenVectors) {
  const BinaryCase c{BinaryFunction::sub,      {2, {6, 8}},          {9, 1}, {8, 1},
                     random_values(6 * 9, 10), random_values(48, 11)};
  const std::vector<double> exact = on_cpu(c);
  EXPECT_EQ(on_device(c), std::vector<float>(exact.begin(), exact.end()));
}

TEST_F(Binary, WorksInPlace) {
  const LoopNest nest{2, {37, 64}};
  const std::vector<float> a = random_values(nest.count(), 8), b = random_values(64, 9);
  const BinaryCase c{BinaryFunction::add, nest, {64, 1}, {0, 1}, a, b};
  EXPECT_EQ(
      run_repeatedly([&](const CudaContext& context) {
        const DeviceArray<float> y(a), factors(b);
        binary<float>({BinaryFunction::add, {}, nest, {64, 1}, {0, 1}, y, factors, y}, context);
        return y.read();
      }),
      on_device(c));
}

TEST_F(Fill, WritesEveryElementOfEveryLengthAndAlignment) {
  for (std::int64_t count : kCounts) {
    for (std::int64_t offset : {0, 1}) {
      EXPECT_EQ(run_repeatedly([&](const CudaContext& context) {
                  const DeviceArray<std::int32_t> y(count + offset);
                  fill<std::int32_t>(y + offset, count, 77, context);
                  std::vector<std::int32_t> values = y.read();
                  values.erase(values.begin(), values.begin() + offset);
                  return values;
                }),
                std::vector<std::int32_t>(count, 77));
    }
    EXPECT_EQ(run_repeatedly([&](const CudaContext& context) {
                const DeviceArray<float> y(count);
                fill(y.get(), count, -2.5f, context);
                return y.read();
              }),
              std::vector<float>(count, -2.5f));
  }
}

template <class From, class To>
void expect_casts() {
  for (std::int64_t count : kCounts) {
    std::vector<From> x(count);
    for (std::int64_t i = 0; i < count; ++i) x[i] = From(i % 251);
    for (std::int64_t offset : {0, 1}) {
      if (offset == count) continue;
      const std::vector<To> expected(x.begin() + offset, x.end());
      EXPECT_EQ(run_repeatedly([&](const CudaContext& context) {
                  const DeviceArray<From> in(x);
                  const DeviceArray<To> out(expected.size());
                  cast<From, To>(in + offset, out, expected.size(), context);
                  return out.read();
                }),
                expected);
    }
  }
}

TEST_F(Cast, KeepsValuesBetweenAllTypes) {
  expect_casts<float, std::int32_t>();
  expect_casts<float, std::uint8_t>();
  expect_casts<std::int32_t, float>();
  expect_casts<std::int32_t, std::uint8_t>();
  expect_casts<std::uint8_t, float>();
  expect_casts<std::uint8_t, std::int32_t>();
  expect_casts<float, float>();
  expect_casts<std::uint8_t, std::uint8_t>();
}

TEST_F(Cast, CutsTowardsZero) {
  const std::vector<float> x{-2.75f, -0.5f, 0.5f, 3.99f};
  const DeviceArray<float> in(x);
  const DeviceArray<std::int32_t> out(4);
  cast<float, std::int32_t>(in, out, 4, CudaContext{});
  EXPECT_EQ(out.read(), (std::vector<std::int32_t>{-2, 0, 0, 3}));
}

}  // namespace
}  // namespace metatape::cuda_tests
