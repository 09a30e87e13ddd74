#include "meta/settings/nearest_name.h"

#include <gtest/gtest.h>

#include <vector>

namespace metatape {
namespace {

TEST(NearestName, CountsChangesInsertionsAndDeletions) {
  const std::vector<std::string> names = {"kitten", "outer.tasks", "outer.lr"};
  EXPECT_EQ(nearest_name("sitting", names), "kitten");
  EXPECT_EQ(nearest_name("outer.task", names), "outer.tasks");
  EXPECT_EQ(nearest_name("oter.lr", names), "outer.lr");
  EXPECT_EQ(nearest_name("outer.lr", names), "outer.lr");
}

TEST(NearestName, TakesTheFirstOfEquals) {
  const std::vector<std::string> names = {"ab", "ac"};
  EXPECT_EQ(nearest_name("ad", names), "ab");
}

TEST(NearestName, OfNothingIsEmpty) { EXPECT_EQ(nearest_name("a", {}), ""); }

}  // namespace
}  // namespace metatape
