#include "meta/training/progress.h"

#include <gtest/gtest.h>

namespace metatape {
namespace {

TEST(Progress, WritesDurationsAsAClock) {
  EXPECT_EQ(clock_text(0), "00:00");
  EXPECT_EQ(clock_text(59.6), "01:00");
  EXPECT_EQ(clock_text(75), "01:15");
  EXPECT_EQ(clock_text(3599), "59:59");
  EXPECT_EQ(clock_text(4000), "1:06:40");
}

TEST(Progress, OffATerminalWritesPlainLinesAndTheLastOne) {
  testing::internal::CaptureStderr();
  {
    Progress progress(10, 40);
    progress.update(20, "loss 1.5");  // not ten seconds after the start
    progress.note("validation at 20");
    progress.update(40, "loss 0.5");
    progress.finish();
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("loss 1.5"), std::string::npos);
  EXPECT_EQ(text.find("validation at 20\n"), 0u);
  EXPECT_NE(text.find("\n40/40  100 %  "), std::string::npos) << text;
  EXPECT_NE(text.find("ETA 00:00  loss 0.5\n"), std::string::npos) << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(Progress, OfNothingToDoIsComplete) {
  testing::internal::CaptureStderr();
  Progress(0, 0).update(0, "");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("0/0  100 %"), 0u) << text;
}

}  // namespace
}  // namespace metatape
