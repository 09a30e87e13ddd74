// Training never looks at the test classes: other images in them change no bit of the run, though
// they change what is evaluated on them.

#include <gtest/gtest.h>

#include <sstream>

#include "meta/data/pack_writer.h"
#include "meta/data/packed_set.h"
#include "tests/tools/small_run.h"

namespace metatape {
namespace {

constexpr const char* kNone = "none";

/// The set with the images of one part of its classes inverted.
void write_with_inverted(const std::string& part, const std::filesystem::path& from,
                         const std::filesystem::path& to) {
  const PackedSet set = PackedSet::open(from);
  std::span<const std::int32_t> chosen;
  if (part != kNone) chosen = set.split("", part);
  PackedHeader header = set.header();
  header.payload_sha256.clear();
  PackWriter writer(to, header);
  for (std::int32_t c = 0; c < set.class_count(); ++c)
    for (std::int64_t i = 0; i < set.class_images(c); ++i) {
      std::vector<std::uint8_t> image(set.image(c, i).begin(), set.image(c, i).end());
      if (std::ranges::find(chosen, c) != chosen.end())
        for (std::uint8_t& pixel : image) pixel = std::uint8_t(255 - pixel);
      writer.add(image);
    }
  writer.commit();
}

struct Trained {
  std::string hash;
  nlohmann::json metrics, test_loss;
};

/// The lines of metrics, without the hash of the tasks: that one names the whole data set.
nlohmann::json metrics_of(const SmallRun& run) {
  nlohmann::json lines = nlohmann::json::array();
  std::istringstream in(run.read("run/metrics.jsonl"));
  for (std::string line; std::getline(in, line);) {
    lines.push_back(nlohmann::json::parse(line));
    lines.back().erase("episodes_hash");
  }
  EXPECT_GT(lines.size(), 4u);
  return lines;
}

/// A run with validation on small.mtd with the images of one part inverted.
Trained train_with_inverted(const std::string& part) {
  const SmallRun run;
  write_with_inverted(part, run.path("small.mtd"), run.path("changed.mtd"));
  std::filesystem::rename(run.path("changed.mtd"), run.path("small.mtd"));
  const std::string hash = run.hash_of(
      run.train("run", {"train.iterations=12", "train.validate_every=4", "eval.tasks=6"}));
  return {hash, metrics_of(run),
          run.result_of({"eval", "--run", "run", "--split", "test"}).at("loss")};
}

TEST(TestSplit, ChangesNoBitOfTraining) {
  const Trained as_it_is = train_with_inverted(kNone);
  const Trained other_test = train_with_inverted("test");
  EXPECT_EQ(other_test.hash, as_it_is.hash);
  EXPECT_EQ(other_test.metrics, as_it_is.metrics);
  EXPECT_NE(other_test.test_loss, as_it_is.test_loss);
}

// What the test above would see if training did look there.
TEST(TestSplit, OtherPartsDoChangeTheRun) {
  const Trained as_it_is = train_with_inverted(kNone);
  EXPECT_NE(train_with_inverted("train").hash, as_it_is.hash);
  EXPECT_NE(train_with_inverted("validation").metrics, as_it_is.metrics);
}

}  // namespace
}  // namespace metatape
