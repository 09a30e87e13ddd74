#include "meta/data/task_folders.h"

#include <gtest/gtest.h>

#include "tests/meta/image_files.h"
#include "tests/support/temporary_folder.h"

namespace metatape {
namespace {

/// Two classes of one picture each, and one query.
void write_task(const std::filesystem::path& root, const Image& picture) {
  write_folder(root, {{"support/a/1.png", encode_png(picture)},
                      {"support/b/1.png", encode_png(picture)},
                      {"query/deep/er/1.png", encode_png(picture)},
                      {"query/.hidden.png", "no picture"}});
}

TEST(TaskFolders, DrawingsAreInvertedAsTheirSetsAre) {
  const TemporaryFolder temporary;
  write_task(temporary.path(), uniform_image(6, 6, 1, 51));
  const TaskFolders photo = read_task_folders(temporary / "support", temporary / "query",
                                              {.height = 2, .width = 2, .channels = 1});
  EXPECT_EQ(photo.query, std::vector<float>(4, 51.0f / 255));
  const TaskFolders drawing =
      read_task_folders(temporary / "support", temporary / "query",
                        {.height = 2, .width = 2, .channels = 1, .ink_is_bright = true});
  EXPECT_EQ(drawing.query, std::vector<float>(4, 204.0f / 255));
  EXPECT_EQ(drawing.support, std::vector<float>(8, 204.0f / 255));
  EXPECT_EQ(drawing.support_labels, (std::vector<std::int32_t>{0, 1}));
  EXPECT_EQ(drawing.query_files, (std::vector<std::string>{"deep/er/1.png"}));
  EXPECT_FLOAT_EQ(float(drawing.mean_value), 204.0f / 255);
}

TEST(TaskFolders, ChannelsAreThoseOfTheSet) {
  const TemporaryFolder temporary;
  Image orange = uniform_image(1, 1, 3, 0);
  orange.pixels = {200, 100, 0};
  write_task(temporary.path(), orange);
  const TaskFolders grey = read_task_folders(temporary / "support", temporary / "query",
                                             {.height = 1, .width = 1, .channels = 1});
  EXPECT_EQ(grey.query, std::vector<float>(1, 119.0f / 255));  // 0.299 * 200 + 0.587 * 100 = 118.5
  const TaskFolders rgb = read_task_folders(temporary / "support", temporary / "query",
                                            {.height = 1, .width = 1, .channels = 3});
  EXPECT_EQ(rgb.query, (std::vector<float>{200.0f / 255, 100.0f / 255, 0}));
}

TEST(TaskFolders, KindsOfDrawingsAreKnown) {
  EXPECT_TRUE(image_form({.kind = "omniglot"}).ink_is_bright);
  EXPECT_TRUE(image_form({.kind = "glyphs"}).ink_is_bright);
  EXPECT_FALSE(image_form({.kind = "images"}).ink_is_bright);
}

}  // namespace
}  // namespace metatape
