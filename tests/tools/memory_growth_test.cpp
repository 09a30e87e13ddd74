// A run takes as much memory after a thousand meta-steps as after ten.

#include <gtest/gtest.h>

#include "tests/tools/small_run.h"

namespace metatape {
namespace {

// Pages that the allocator and libgomp take late; one leaked f32 weight set of 32 KiB per meta-step
// would be 31 MiB.
constexpr double kMostGrowth = 1 << 20;

double peak_bytes(const SmallRun& run, const std::string& out,
                  const std::vector<std::string>& settings) {
  const CommandResult r = run.run(run.train(out, settings));
  EXPECT_EQ(r.exit_code, 0) << r.errors;
  return double(r.peak_bytes);
}

TEST(SlowMemory, OfARunDoesNotGrowOverAThousandIterations) {
  if (kAddressSanitizer) GTEST_SKIP() << "the address sanitizer takes memory of its own";
  const SmallRun run;
  for (const std::string method :
       {"inner.recompute=true", "inner.solver=ridge", "outer.combine=similarity"}) {
    SCOPED_TRACE(method);
    const std::vector<std::string> common = {method, "train.validate_every=5", "eval.tasks=4"};
    auto peak = [&](const std::string& iterations) {
      std::vector<std::string> settings = common;
      settings.push_back("train.iterations=" + iterations);
      return peak_bytes(run, method + iterations, settings);
    };
    const double early = peak("10"), late = peak("1000");
    EXPECT_LE(late - early, kMostGrowth) << early << " bytes after 10 meta-steps";
    testing::Test::RecordProperty(method.substr(method.find('=') + 1),
                                  std::to_string(late - early));
  }
}

}  // namespace
}  // namespace metatape
