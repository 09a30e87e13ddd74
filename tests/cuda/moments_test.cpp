#include "tests/cuda/cuda_case.h"
#include "tests/support/moments_reference.h"

namespace metatape::cuda_tests {
namespace {

using namespace kernels;
using reference::MomentsShape;
using Moments = CudaTest;

std::vector<float> on_device(const MomentsShape& s, std::vector<float> x, std::int64_t offset) {
  x.insert(x.begin(), std::size_t(offset), 77.f);
  return run_repeatedly([&](const CudaContext& context) {
    const DeviceArray<float> in(x);
    const DeviceArray<float> out(std::size_t(s.tasks * 2 * s.columns));
    const DeviceArray<float> workspace(
        std::size_t(moments_workspace_elements(s.tasks, s.rows, s.columns, context)));
    moments<float>({s.tasks, s.rows, s.columns, in.get() + offset, out.get(), workspace.get()},
                   context);
    return out.read();
  });
}

TEST_F(Moments, AreThoseOfTheDefinition) {
  reference::Random random(62);
  for (const MomentsShape& s : reference::kMomentsShapes)
    for (std::int64_t offset : {0, 1}) {
      SCOPED_TRACE(testing::Message()
                   << s.tasks << " x " << s.rows << " x " << s.columns << ", offset " << offset);
      const std::vector<float> x = reference::values_off_zero<float>(s, random);
      const std::vector<double> expected = reference::plain_moments(s, x);
      reference::expect_close(on_device(s, x, offset), expected, tolerance::kernel<float>(s.rows),
                              reference::moments_scale(s, expected));
    }
}

TEST_F(Moments, LaunchNothingForNoElements) {
  moments<float>({0, 5, 8, nullptr, nullptr, nullptr}, CudaContext{});
  EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess);
}

}  // namespace
}  // namespace metatape::cuda_tests
