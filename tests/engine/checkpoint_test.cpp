#include "engine/io/checkpoint.h"

#include <gtest/gtest.h>

#include <numeric>

#include "engine/io/file_layout.h"
#include "engine/io/safetensors.h"
#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"

namespace metatape {
namespace {

/// 0, 1, 2, ... in the order inside.
Tensor counted(const Shape& shape, DType dtype = DType::f32) {
  std::vector<double> values(static_cast<std::size_t>(shape.elements()));
  std::iota(values.begin(), values.end(), 0.0);
  return Tensor::of<double>(shape, dtype, values);
}

const std::vector<Parameter> kParameters = {
    {.name = "conv.weight", .group = "body", .shape = {2, 3, 3, 4}, .layout = FileLayout::filter},
    {.name = "conv.bias", .group = "body", .shape = {2}},
    {.name = "head.weight",
     .group = "head",
     .shape = {3, 2 * 5 * 4},
     .layout = FileLayout::linear_on_image,
     .image = {2, 5, 4}}};

// ---- the order of elements in files ------------------------------------------------------------

TEST(FileLayout, PutsTheChannelsOfFiltersBeforeTheirPlaces) {
  const Tensor file = to_file_layout(counted({2, 3, 3, 4}), kParameters[0]);
  ASSERT_EQ(file.shape(), (Shape{2, 4, 3, 3}));
  // Output 1, channel 2, row 0, column 1.
  EXPECT_EQ(file.at((1 * 4 + 2) * 9 + 0 * 3 + 1), ((1 * 3 + 0) * 3 + 1) * 4 + 2);
}

TEST(FileLayout, PutsTheChannelsOfAFlattenedImageBeforeItsPlaces) {
  const Tensor file = to_file_layout(counted({3, 40}), kParameters[2]);
  ASSERT_EQ(file.shape(), (Shape{3, 40}));
  // Output 2, channel 3, row 1, column 4 of an image of 2 x 5.
  EXPECT_EQ(file.at(2 * 40 + (3 * 2 + 1) * 5 + 4), 2 * 40 + (1 * 5 + 4) * 4 + 3);
}

TEST(FileLayout, PermutesEachTaskAlike) {
  const Tensor tasks = to_file_layout(counted(Shape{2, 3, 3, 4}.with_tasks(2)), kParameters[0]);
  const Tensor one = to_file_layout(counted({2, 3, 3, 4}), kParameters[0]);
  ASSERT_EQ(tasks.shape(), (Shape{2, 4, 3, 3}.with_tasks(2)));
  for (std::int64_t i = 0; i < one.elements(); ++i)
    ASSERT_EQ(tasks.at(one.elements() + i), one.elements() + one.at(i));
}

TEST(FileLayout, GoesThereAndBack) {
  for (const Parameter& p : kParameters)
    for (DType dtype : {DType::f32, DType::f64}) {
      const Tensor inside = counted(p.shape, dtype), file = to_file_layout(inside, p);
      EXPECT_EQ(file.shape(), file_shape(p));
      EXPECT_EQ(from_file_layout(file, p), inside) << p.name;
      EXPECT_EQ(file == inside, p.layout == FileLayout::same) << p.name;
    }
}

TEST(FileLayout, OfMomentsIsThatOfTheirParameter) {
  EXPECT_EQ(parameter_of_state("theta/conv.weight", kParameters), &kParameters[0]);
  EXPECT_EQ(parameter_of_state("optimizer/m/conv.weight", kParameters), &kParameters[0]);
  EXPECT_EQ(parameter_of_state("optimizer/lr", kParameters), nullptr);
  EXPECT_EQ(parameter_of_state("theta/other.weight", kParameters), nullptr);
}

// ---- checkpoints -------------------------------------------------------------------------------

class CheckpointFile : public testing::Test {
 protected:
  CheckpointFile() {
    for (const Parameter& p : kParameters) {
      saved_.state["theta/" + p.name] = counted(p.shape);
      saved_.state["optimizer/m/" + p.name] = counted(p.shape);
    }
    saved_.state["optimizer/step"] = Tensor::of<double>({}, DType::f64, std::vector{12345.0});
    saved_.metadata = {{"iteration", "7"}};
  }

  void save() { save_checkpoint(path_, saved_, kParameters); }
  void expect_refused(const std::vector<Parameter>& parameters, const std::string& fragment) {
    expect_error(ErrorKind::io, fragment, [&] { load_checkpoint(path_, parameters); });
    expect_error(ErrorKind::io, "[" + path_.string() + "]",
                 [&] { load_checkpoint(path_, parameters); });
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "a.safetensors";
  Checkpoint saved_;
};

TEST_F(CheckpointFile, ComesBackBitForBit) {
  save();
  const Checkpoint loaded = load_checkpoint(path_, kParameters);
  EXPECT_EQ(loaded.state, saved_.state);
  EXPECT_EQ(loaded.metadata, saved_.metadata);
}

TEST_F(CheckpointFile, HoldsParametersAndMomentsInTheOrderOfOtherFrameworks) {
  save();
  const SafetensorsFile file(path_);
  for (const char* name : {"theta/conv.weight", "optimizer/m/conv.weight"}) {
    EXPECT_EQ(file.at(name).shape, (std::vector<std::int64_t>{2, 4, 3, 3}));
    EXPECT_EQ(file.values<float>(name)[1], 4) << name;  // column 1 of channel 0
  }
}

TEST_F(CheckpointFile, OfAnotherModelIsRefusedByParameter) {
  save();
  std::vector<Parameter> wider = kParameters;
  wider[1].shape = {3};
  expect_refused(wider, "conv.bias is [2], this model needs [3]");
  std::vector<Parameter> more = kParameters;
  more.push_back({"extra.weight", "body", {1}});
  expect_refused(more, "it has no parameter extra.weight");
}

TEST_F(CheckpointFile, OfLabelsInI64IsRefusedByName) {
  SafetensorsWriter().add("labels", {1}, std::vector<std::int64_t>{3}).write(path_);
  expect_refused({}, "labels has type I64");
}

}  // namespace
}  // namespace metatape
