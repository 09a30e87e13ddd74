#include "kernels/matmul/matmul.h"

#include <optional>

#include "kernels/matmul/cuda_blas.h"
#include "tests/cuda/cuda_case.h"

namespace metatape::cuda_tests {
namespace {

using kernels::CudaBlas;
using kernels::MatmulArgs;
using kernels::Precision;

class CudaMatmul : public CudaTest {
 protected:
  void SetUp() override {
    CudaTest::SetUp();
    if (!IsSkipped()) workspace_.emplace(CudaBlas::kWorkspaceBytes);
  }
  void TearDown() override { cudaDeviceSynchronize(); }

  std::optional<DeviceArray<unsigned char>> workspace_;
};

struct Extent {
  std::int64_t batch, m, n, k;
};

constexpr Extent kExtents[] = {
    {1, 1, 1, 1},    {3, 2, 5, 31},   {2, 31, 32, 33},   {4, 5, 1, 100},
    {1, 127, 2, 65}, {2, 33, 128, 5}, {1, 100, 31, 129}, {2, 3, 200, 1},
};

struct Operands {
  std::vector<float> a, b;
  MatmulArgs<float> args;  ///< without the pointers
};

/// Bits 0 and 1 of the variant: transposed a, b; bits 2 and 3: one a, b for the whole batch.
Operands operands(const Extent& e, int variant) {
  const bool one_a = variant & 4, one_b = variant & 8;
  return {random_values(std::size_t((one_a ? 1 : e.batch) * e.m * e.k), 1),
          random_values(std::size_t((one_b ? 1 : e.batch) * e.k * e.n), 2),
          {.batch = e.batch,
           .m = e.m,
           .n = e.n,
           .k = e.k,
           .transpose_a = bool(variant & 1),
           .transpose_b = bool(variant & 2),
           .a_stride = one_a ? 0 : e.m * e.k,
           .b_stride = one_b ? 0 : e.k * e.n}};
}

std::vector<double> on_cpu(const Operands& o) {
  const std::vector<double> a = to_double(o.a), b = to_double(o.b);
  const auto& s = o.args;
  std::vector<double> c(std::size_t(s.batch * s.m * s.n));
  kernels::matmul<double>({s.batch, s.m, s.n, s.k, s.transpose_a, s.transpose_b, s.a_stride,
                           s.b_stride, a.data(), b.data(), c.data()},
                          kernels::CpuContext{});
  return c;
}

std::vector<float> on_device(const Operands& o, CudaBlas& blas) {
  const DeviceArray<float> a(o.a), b(o.b);
  return run_repeatedly([&](kernels::CudaContext context) {
    const DeviceArray<float> c(std::size_t(o.args.batch * o.args.m * o.args.n));
    MatmulArgs<float> args = o.args;
    args.a = a;
    args.b = b;
    args.c = c;
    context.blas = &blas;
    kernels::matmul(args, context);
    EXPECT_EQ(blas.failure(), nullptr);
    return c.read();
  });
}

double error(const std::vector<float>& found, const std::vector<double>& expected) {
  double largest = 0, error = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    largest = std::max(largest, std::abs(expected[i]));
    error = std::max(error, std::abs(double(found[i]) - expected[i]));
  }
  return error / largest;
}

TEST_F(CudaMatmul, AgreesWithTheCpu) {
  CudaBlas blas(nullptr, Precision::fp32, *workspace_);
  ASSERT_EQ(blas.failure(), nullptr);
  for (const Extent& e : kExtents)
    for (int variant = 0; variant < 16; ++variant) {
      SCOPED_TRACE(testing::Message() << e.batch << " x [" << e.m << "," << e.k << "] [" << e.k
                                      << "," << e.n << "], variant " << variant);
      const Operands o = operands(e, variant);
      expect_near(on_device(o, blas), on_cpu(o), tolerance::kernel<float>(e.k));
    }
}

TEST_F(CudaMatmul, Tf32RoundsTheFactors) {
  CudaBlas blas(nullptr, Precision::tf32, *workspace_);
  const Extent e{2, 128, 128, 128};
  const Operands o = operands(e, 0);
  const std::vector<float> found = on_device(o, blas);
  expect_near(found, on_cpu(o), tolerance::kTf32);
  EXPECT_GT(error(found, on_cpu(o)), tolerance::kernel<float>(e.k)) << "this was not TF32";
}

TEST_F(CudaMatmul, AnEmptySumIsZero) {
  CudaBlas blas(nullptr, Precision::fp32, *workspace_);
  EXPECT_EQ(on_device(operands({3, 5, 7, 0}, 0), blas), std::vector<float>(3 * 5 * 7, 0.0f));
  kernels::matmul(operands({3, 0, 7, 2}, 0).args, {.blas = &blas});  // nothing to write
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(blas.failure(), nullptr);
}

TEST_F(CudaMatmul, CanBeCapturedAndReplayed) {
  cudaStream_t stream;
  require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
  {
    CudaBlas blas(stream, Precision::fp32, *workspace_);
    const Operands o = operands({2, 33, 31, 65}, 0);
    const DeviceArray<float> a(o.a), b(o.b), c(2 * 33 * 31);
    MatmulArgs<float> args = o.args;
    args.a = a;
    args.b = b;
    args.c = c;
    kernels::matmul(args, {.stream = stream, .blas = &blas});  // cuBLAS loads what it needs
    require(cudaStreamSynchronize(stream), "product");
    require(cudaMemset(c, 0xFF, 2 * 33 * 31 * sizeof(float)), "memset");
    cudaGraph_t graph;
    cudaGraphExec_t executable;
    require(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "capture");
    kernels::matmul(args, {.stream = stream, .blas = &blas});
    require(cudaStreamEndCapture(stream, &graph), "end of the capture");
    require(cudaGraphInstantiate(&executable, graph, 0), "graph");
    EXPECT_TRUE(std::isnan(c.read()[0])) << "the capture ran the product";
    for (int launch = 0; launch < 2; ++launch) {
      require(cudaMemset(c, 0xFF, 2 * 33 * 31 * sizeof(float)), "memset");
      require(cudaDeviceSynchronize(), "memset");
      require(cudaGraphLaunch(executable, stream), "launch");
      expect_near(c.read(), on_cpu(o), tolerance::kernel<float>(65));
    }
    EXPECT_EQ(blas.failure(), nullptr);
    cudaGraphExecDestroy(executable);
    cudaGraphDestroy(graph);
  }
  cudaStreamDestroy(stream);
}

#if defined(MT_EMULATION)
TEST_F(CudaMatmul, KeepsWhatTheLibraryFirstRefused) {
  auto& settings = kernels::emulation::settings();
  const auto before = settings;
  settings.device_bytes = 0;
  CudaBlas blas(nullptr, Precision::fp32, *workspace_);
  settings = before;
  EXPECT_STREQ(blas.failure(), "cublasCreate: the resource allocation failed");
  blas.multiply({});  // nothing happens, and the failure stays
  EXPECT_STREQ(blas.failure(), "cublasCreate: the resource allocation failed");
}
#endif

}  // namespace
}  // namespace metatape::cuda_tests
