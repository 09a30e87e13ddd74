#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <set>

#include "meta/data/image_episodes.h"
#include "meta/data/rotate.h"
#include "tests/support/expect_error.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

using kernels::RandomPurpose;

/// `classes` classes of `images` images each. Pixel values say where they come from: the first
/// pixel holds the class, the second the image, the third marks the top right corner.
std::shared_ptr<const PackedSet> small_set(std::int64_t classes, std::int64_t images,
                                           std::int64_t height = 2, std::int64_t width = 3) {
  PackedHeader header{.kind = "small", .height = height, .width = width, .channels = 1};
  std::vector<std::uint8_t> pixels;
  std::vector<std::int32_t> all;
  for (std::int64_t c = 0; c < classes; ++c) {
    header.classes.push_back(
        {.name = "class" + std::to_string(c), .first = c * images, .count = images});
    all.push_back(std::int32_t(c));
    for (std::int64_t i = 0; i < images; ++i) {
      std::vector<std::uint8_t> image(std::size_t(height * width), 0);
      image[0] = std::uint8_t(c);
      image[1] = std::uint8_t(i);
      image[std::size_t(width - 1)] = std::uint8_t(width > 2 ? 255 : i);
      pixels.insert(pixels.end(), image.begin(), image.end());
    }
  }
  header.splits.push_back({.name = "all", .train = all});
  return std::make_shared<const PackedSet>(
      PackedSet::in_memory(std::move(header), std::move(pixels)));
}

int byte_of(float value) { return int(std::lround(value * 255)); }

TEST(ImageEpisodes, HoldTheChosenImagesClassMajorWithTheirLabels) {
  const auto set = small_set(30, 12);
  const ImageEpisodes source(set, {.ways = 5, .shots = 2, .queries = 3, .seed = 9});
  EXPECT_EQ(source.layout().support_x, (std::vector<std::int64_t>{10, 2, 3, 1}));
  EXPECT_EQ(source.layout().query_x, (std::vector<std::int64_t>{15, 2, 3, 1}));
  EpisodeBatch batch;
  source.draw(6, 0, 4, batch);
  ASSERT_EQ(batch.support_x.size(), 4u * 10 * 6);
  ASSERT_EQ(batch.query_y.size(), 4u * 15);
  EXPECT_TRUE(batch.support_target.empty());
  for (std::uint32_t t = 0; t < 4; ++t) {
    const ImageTask task = source.choose(6, t);
    for (std::size_t n = 0; n < 10; ++n) {
      const float* image = &batch.support_x[(t * 10 + n) * 6];
      EXPECT_EQ(byte_of(image[0]), int(task.support[n].class_index));
      EXPECT_EQ(byte_of(image[1]), int(task.support[n].image));
      EXPECT_EQ(image[2], 1.0f);
      EXPECT_EQ(batch.support_y[t * 10 + n], std::int32_t(n / 2));
    }
    for (std::size_t n = 0; n < 15; ++n) {
      const float* image = &batch.query_x[(t * 15 + n) * 6];
      EXPECT_EQ(byte_of(image[0]), int(task.support[n / 3 * 2].class_index));
      EXPECT_EQ(byte_of(image[1]), int(task.query[n].image));
      EXPECT_EQ(batch.query_y[t * 15 + n], std::int32_t(n / 3));
    }
  }
}

TEST(ImageEpisodes, ClassesAndImagesOfATaskAreDistinct) {
  const ImageEpisodes source(small_set(6, 5), {.ways = 6, .shots = 2, .queries = 3});
  for (std::uint32_t t = 0; t < 200; ++t) {
    const ImageTask task = source.choose(0, t);
    std::set<std::pair<std::uint32_t, std::uint32_t>> images;
    std::set<std::uint32_t> classes;
    for (const auto* part : {&task.support, &task.query}) {
      for (const ImageChoice& c : *part) {
        images.insert({c.class_index, c.image});
        classes.insert(c.class_index);
      }
    }
    EXPECT_EQ(images.size(), 30u);  // 6 classes x 5 images: all of them, each once
    EXPECT_EQ(classes.size(), 6u);
  }
}

TEST(ImageEpisodes, DependOnSeedPurposeIterationAndTaskAlone) {
  const auto set = small_set(20, 10);
  const ImageEpisodes source(set, {.shots = 2, .queries = 2, .rotations = Rotations::none});
  EpisodeBatch all, part;
  source.draw(3, 0, 12, all);
  for (std::uint32_t chunk : {1u, 3u, 4u, 12u}) {
    for (std::uint32_t t = 0; t < 12; t += chunk) {
      source.draw(3, t, chunk, part);
      EXPECT_TRUE(std::equal(part.support_x.begin(), part.support_x.end(),
                             all.support_x.begin() + t * 10 * 6));
      EXPECT_TRUE(
          std::equal(part.query_x.begin(), part.query_x.end(), all.query_x.begin() + t * 10 * 6));
    }
  }
  EXPECT_NE(source.provenance(3, 0), source.provenance(3, 1));
  EXPECT_NE(source.provenance(3, 0), source.provenance(4, 0));
  const ImageEpisodes other_seed(set, {.shots = 2, .queries = 2, .seed = 1});
  EXPECT_NE(source.provenance(3, 0), other_seed.provenance(3, 0));
  const ImageEpisodes other_purpose(
      set, {.shots = 2, .queries = 2, .purpose = RandomPurpose::test_episodes});
  EXPECT_NE(source.provenance(3, 0), other_purpose.provenance(3, 0));
}

TEST(ImageEpisodes, EveryClassImageAndRotationComesEquallyOften) {
  constexpr std::uint32_t kTasks = 40'000, kClasses = 10, kImages = 6, kWays = 3;
  const ImageEpisodes source(small_set(kClasses, kImages, 3, 3),
                             {.ways = kWays, .shots = 1, .rotations = Rotations::per_task});
  std::array<int, kClasses> classes{};
  std::array<int, kImages> support{}, query{};
  std::array<int, 4> rotations{};
  std::array<std::array<int, 4>, 4> rotation_pairs{};  // of the first two classes of a task
  for (std::uint32_t t = 0; t < kTasks; ++t) {
    const ImageTask task = source.choose(0, t);
    for (const ImageChoice& c : task.support) {
      ++classes[c.class_index];
      ++support[c.image];
      ++rotations[c.rotation];
    }
    for (std::size_t w = 0; w < kWays; ++w) {
      ++query[task.query[w].image];
      EXPECT_EQ(task.query[w].rotation, task.support[w].rotation);
    }
    ++rotation_pairs[task.support[0].rotation][task.support[1].rotation];
  }
  const auto expect_share = [](const auto& counts, double draws, double p) {
    for (int count : counts)
      EXPECT_LT(std::abs(count - draws * p), tolerance::kSigmas * std::sqrt(draws * p * (1 - p)));
  };
  expect_share(classes, kTasks, double(kWays) / kClasses);
  expect_share(support, kTasks * kWays, 1.0 / kImages);
  expect_share(query, kTasks * kWays, 1.0 / kImages);
  expect_share(rotations, kTasks * kWays, 1 / 4.0);
  for (const auto& row : rotation_pairs) expect_share(row, kTasks, 1 / 16.0);
}

TEST(ImageEpisodes, SupportSaysNothingAboutTheQueryOrTheNextTask) {
  constexpr std::uint32_t kTasks = 40'000, kClasses = 8;
  const ImageEpisodes source(small_set(kClasses, 4), {.ways = 1});
  std::array<std::array<int, 4>, 4> images{};
  std::array<std::array<int, kClasses>, kClasses> next{};
  for (std::uint32_t t = 0; t < kTasks; ++t) {
    const ImageTask task = source.choose(0, t);
    ++images[task.support[0].image][task.query[0].image];
    ++next[task.support[0].class_index][source.choose(0, t + 1).support[0].class_index];
  }
  for (std::size_t a = 0; a < 4; ++a) {
    for (std::size_t b = 0; b < 4; ++b) {
      const double p = a == b ? 0 : 1 / 12.0;
      EXPECT_LE(std::abs(images[a][b] - kTasks * p),
                tolerance::kSigmas * std::sqrt(kTasks * p * (1 - p)));
    }
  }
  const double p = 1.0 / (kClasses * kClasses);
  for (const auto& row : next)
    for (int count : row)
      EXPECT_LT(std::abs(count - kTasks * p), tolerance::kSigmas * std::sqrt(kTasks * p * (1 - p)));
}

TEST(ImageEpisodes, RotationsAsClassesMayMeetInATask) {
  const ImageEpisodes source(small_set(2, 3, 3, 3),
                             {.ways = 8, .shots = 1, .rotations = Rotations::as_classes});
  const ImageTask task = source.choose(0, 0);
  std::set<std::pair<std::uint32_t, std::uint32_t>> ways;
  for (const ImageChoice& c : task.support) ways.insert({c.class_index, c.rotation});
  EXPECT_EQ(ways.size(), 8u);  // 2 classes x 4 rotations: all of them
  for (std::size_t w = 0; w < 8; ++w) {
    EXPECT_EQ(task.support[w].class_index, task.query[w].class_index);
    EXPECT_EQ(task.support[w].rotation, task.query[w].rotation);
    EXPECT_NE(task.support[w].image, task.query[w].image);
  }
}

TEST(ImageEpisodes, DrawnImagesAreTurnedAsChosen) {
  const auto set = small_set(5, 4, 3, 3);
  const ImageEpisodes source(set, {.rotations = Rotations::per_task});
  EpisodeBatch batch;
  std::set<std::uint32_t> seen;
  for (std::uint32_t t = 0; t < 20; ++t) {
    source.draw(0, t, 1, batch);
    const ImageTask task = source.choose(0, t);
    for (std::size_t w = 0; w < 5; ++w) {
      constexpr std::size_t kMarkedCorner[] = {2, 0, 6, 8};  // top right, turned 0..3 times
      EXPECT_EQ(batch.query_x[w * 9 + kMarkedCorner[task.query[w].rotation]], 1.0f);
      seen.insert(task.query[w].rotation);
    }
  }
  EXPECT_EQ(seen.size(), 4u);
}

TEST(Rotate, MovesPixelsCounterClockwise) {
  const std::vector<std::uint8_t> image = {1, 101, 2, 102, 3, 103, 4, 104};  // [2, 2, 2]
  const std::vector<std::vector<int>> expected = {{1, 101, 2, 102, 3, 103, 4, 104},
                                                  {2, 102, 4, 104, 1, 101, 3, 103},
                                                  {4, 104, 3, 103, 2, 102, 1, 101},
                                                  {3, 103, 1, 101, 4, 104, 2, 102}};
  for (std::uint32_t turns = 0; turns < 4; ++turns) {
    std::vector<float> turned(8);
    rotate_to_floats(image, 2, 2, turns, turned.data());
    for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(byte_of(turned[i]), expected[turns][i]);
  }
}

TEST(ImageEpisodes, DigestIsGoldenAndTellsTasksApart) {
  const auto set = small_set(30, 12, 3, 3);
  const auto digest = [&](const ImageEpisodesOptions& options, std::uint32_t episodes = 50) {
    return episodes_digest(ImageEpisodes(set, options), episodes);
  };
  const std::string base = digest({.seed = 1});
  EXPECT_EQ(base, "7af151b5d2061a29f7bc0744cdad793544c91ed3359e66285decb10b3aec08cb");
  EXPECT_NE(base, digest({.seed = 2}));
  EXPECT_NE(base, digest({.queries = 2, .seed = 1}));
  EXPECT_NE(base, digest({.rotations = Rotations::per_task, .seed = 1}));
  EXPECT_NE(base, digest({.seed = 1, .purpose = RandomPurpose::validation_episodes}));
  EXPECT_NE(base, digest({.seed = 1}, 51));
}

TEST(ImageEpisodes, RefuseMoreWaysThanClasses) {
  const auto set = small_set(4, 5, 3, 3);
  expect_error(ErrorKind::usage, "5-way tasks need 5 classes, part 'train' of split 'all' has 4",
               [&] { ImageEpisodes(set, {.ways = 5}); });
  const ImageEpisodes turned(set, {.ways = 16, .rotations = Rotations::as_classes});
  expect_error(ErrorKind::usage, "17-way tasks need 17 classes",
               [&] { ImageEpisodes(set, {.ways = 17, .rotations = Rotations::as_classes}); });
}

TEST(ImageEpisodes, RefuseClassesWithTooFewImages) {
  const auto set = small_set(6, 5);
  const ImageEpisodes enough(set, {.shots = 2, .queries = 3});
  expect_error(ErrorKind::usage, "class 'class0' has 5 images, 2 shots and 4 queries need more",
               [&] { ImageEpisodes(set, {.shots = 2, .queries = 4}); });
  expect_error(ErrorKind::usage, "class 'class0' has 5 images",
               [&] { ImageEpisodes(set, {.shots = 1, .queries = INT64_MAX}); });
}

TEST(ImageEpisodes, RefuseWhatTheSetCannotGive) {
  const auto set = small_set(6, 5);
  expect_error(ErrorKind::usage, "part 'test' of split 'all' has no classes",
               [&] { ImageEpisodes(set, {.part = "test"}); });
  expect_error(ErrorKind::usage, "no part 'dev'; there are train, validation and test",
               [&] { ImageEpisodes(set, {.part = "dev"}); });
  expect_error(ErrorKind::usage, "no split 'maml'; it has: all",
               [&] { ImageEpisodes(set, {.scheme = "maml"}); });
  expect_error(ErrorKind::usage, "images are 2 x 3; rotations need square ones",
               [&] { ImageEpisodes(set, {.rotations = Rotations::per_task}); });
  expect_error(ErrorKind::usage, "ways 5, shots 0, queries 1",
               [&] { ImageEpisodes(set, {.shots = 0}); });
}

}  // namespace
}  // namespace metatape
