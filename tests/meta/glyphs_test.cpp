#include "meta/data/glyphs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "meta/data/image_episodes.h"
#include "tests/support/temporary_folder.h"

namespace metatape {
namespace {

std::shared_ptr<const PackedSet> glyphs() {
  static const auto set = std::make_shared<const PackedSet>(draw_glyphs());
  return set;
}

std::vector<double> mean_drawing(std::int64_t c, std::int64_t first, std::int64_t last) {
  std::vector<double> mean(std::size_t(glyphs()->header().image_bytes()), 0);
  for (std::int64_t i = first; i < last; ++i)
    for (std::size_t p = 0; p < mean.size(); ++p)
      mean[p] += glyphs()->image(c, i)[p] / double(last - first);
  return mean;
}

template <class Pixels>
double squared_distance(const Pixels& a, const Pixels& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

/// Percent of queries whose nearest support image in raw pixels has their label.
double nearest_neighbour_accuracy(const EpisodeSource& source, std::uint32_t tasks) {
  EpisodeBatch batch;
  int right = 0, all = 0;
  for (std::uint32_t t = 0; t < tasks; ++t) {
    source.draw(0, t, 1, batch);
    const std::size_t pixels = batch.support_x.size() / batch.support_y.size();
    const auto image = [&](const std::vector<float>& x, std::size_t n) {
      return std::span(x).subspan(n * pixels, pixels);
    };
    for (std::size_t q = 0; q < batch.query_y.size(); ++q, ++all) {
      double nearest = INFINITY;
      std::int32_t label = -1;
      for (std::size_t s = 0; s < batch.support_y.size(); ++s) {
        const double distance =
            squared_distance(image(batch.query_x, q), image(batch.support_x, s));
        if (distance >= nearest) continue;
        nearest = distance;
        label = batch.support_y[s];
      }
      right += label == batch.query_y[q];
    }
  }
  return 100.0 * right / all;
}

TEST(Glyphs, HaveTheSameBytesOnEveryMachine) {
  EXPECT_EQ(glyphs()->digest(), "95f1d80d0216f7e1de0d65a0388341675a1d930e11e392ca835b97090b286643");
}

TEST(Glyphs, AreFourHundredClassesOfTwentyDrawings) {
  const PackedSet& set = *glyphs();
  EXPECT_EQ(set.class_count(), 400);
  EXPECT_EQ(set.header().image_count(), 8000);
  EXPECT_EQ(set.split("", "train").size(), 280u);
  EXPECT_EQ(set.split("", "validation").size(), 40u);
  EXPECT_EQ(set.split("", "test").size(), 80u);
}

TEST(Glyphs, NoTwoDrawingsAreEqualAndNoneIsEmpty) {
  std::set<std::vector<std::uint8_t>> drawings;
  for (std::int64_t c = 0; c < glyphs()->class_count(); ++c) {
    for (std::int64_t i = 0; i < glyphs()->class_images(c); ++i) {
      const auto image = glyphs()->image(c, i);
      const auto inked = std::count_if(image.begin(), image.end(), [](int v) { return v > 127; });
      EXPECT_GE(inked, 12) << "class " << c << ", drawing " << i;
      EXPECT_LE(inked, 28 * 28 / 2) << "class " << c << ", drawing " << i;
      drawings.emplace(image.begin(), image.end());
    }
  }
  EXPECT_EQ(drawings.size(), 8000u);
}

TEST(Glyphs, TenDrawingsTellAClassFromAllOthers) {
  // Twins would be taken for each other every second time.
  const std::int64_t classes = glyphs()->class_count();
  std::vector<std::vector<double>> first, second;
  for (std::int64_t c = 0; c < classes; ++c) {
    first.push_back(mean_drawing(c, 0, 10));
    second.push_back(mean_drawing(c, 10, 20));
  }
  int recognised = 0;
  for (std::size_t c = 0; c < second.size(); ++c) {
    const auto nearest = std::ranges::min_element(
        first, {}, [&](const auto& mean) { return squared_distance(second[c], mean); });
    recognised += std::size_t(nearest - first.begin()) == c;
  }
  EXPECT_GT(recognised, 360);
}

TEST(Glyphs, RawPixelsHelpButDoNotSolveTheTasks) {
  const ImageEpisodes source(glyphs(), {.part = "test", .queries = 5, .seed = 1});
  const double accuracy = nearest_neighbour_accuracy(source, 200);
  EXPECT_GT(accuracy, 50);
  EXPECT_LT(accuracy, 75);
}

TEST(Glyphs, PackedFileHoldsTheSameSet) {
  TemporaryFolder folder;
  const PackReport report = pack_glyphs(folder / "glyphs.mtd");
  EXPECT_EQ(report.images, 8000);
  EXPECT_EQ(report.digest, glyphs()->digest());
  const PackedSet file = PackedSet::open(folder / "glyphs.mtd");
  EXPECT_EQ(file.digest(), glyphs()->digest());
  EXPECT_EQ(file.header().kind, "glyphs");
  EXPECT_TRUE(std::ranges::equal(file.image(399, 19), glyphs()->image(399, 19)));
}

}  // namespace
}  // namespace metatape
