#include <gtest/gtest.h>

#include "meta/data/image_decode.h"
#include "meta/data/import_omniglot.h"
#include "meta/data/omniglot_alphabets.h"
#include "meta/data/packed_set.h"
#include "meta/data/resize.h"
#include "tests/meta/image_files.h"
#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"

namespace metatape {
namespace {

constexpr std::size_t kBackgroundAlphabets = 30;

/// A white page with a black bar whose height tells the drawer and whose width the character.
std::string drawing_file(int character, int drawer) {
  Image page = uniform_image(105, 105, 1, 255);
  for (int y = 0; y < 5 * drawer; ++y)
    for (int x = 0; x < character + 1; ++x) page.pixels[y * 105 + x] = 0;
  return encode_png(page);
}

/// The layout of the real archives with drawings of our own. 58 characters at most per alphabet:
/// files are shared between alphabets, which keeps this quick.
FileTree omniglot_files(const std::string& top, std::size_t first, std::size_t last) {
  static const auto drawings = [] {
    std::map<std::pair<int, int>, std::string> files;
    for (int c = 1; c <= 58; ++c)
      for (int d = 1; d <= kOmniglotDrawers; ++d) files[{c, d}] = drawing_file(c, d);
    return files;
  }();
  FileTree files;
  for (std::size_t a = first; a < last; ++a)
    for (int c = 1; c <= kOmniglotAlphabets[a].characters; ++c)
      for (int d = 1; d <= kOmniglotDrawers; ++d)
        files[fmt::format("{}/{}/character{:02}/{:04}_{:02}.png", top, kOmniglotAlphabets[a].name,
                          c, c, d)] = drawings.at({c, d});
  return files;
}

FileTree background() { return omniglot_files("images_background", 0, kBackgroundAlphabets); }
FileTree evaluation() { return omniglot_files("images_evaluation", kBackgroundAlphabets, 50); }

TEST(PackOmniglot, TableAddsUpToThePublishedCounts) {
  int characters = 0, in_background = 0;
  for (std::size_t a = 0; a < kOmniglotAlphabets.size(); ++a) {
    characters += kOmniglotAlphabets[a].characters;
    if (a < kBackgroundAlphabets) in_background += kOmniglotAlphabets[a].characters;
  }
  EXPECT_EQ(characters, 1623);
  EXPECT_EQ(in_background, 964);
}

TEST(PackOmniglot, PacksBothArchivesInAnyOrder) {
  TemporaryFolder folder;
  const auto first = folder / "images_background.zip", second = folder / "images_evaluation.zip";
  write_archive(first, background());
  write_archive(second, evaluation());
  const auto lists = folder / "vinyals";
  write_folder(lists, {{"train.txt", "Angelic/character01/rot000\nAngelic/character01/rot090\n"},
                       {"val.txt", "Greek/character24/rot000\r\nGreek/character24/rot270\r\n"},
                       {"test.txt", "ULOG/character26/rot180\n"}});

  const PackReport report =
      pack_omniglot({.inputs = {second, first}, .vinyals = lists}, folder / "a.mtd");
  EXPECT_EQ(report.classes, 1623);
  EXPECT_EQ(report.images, 32460);
  const PackedSet set = PackedSet::open(folder / "a.mtd");
  EXPECT_EQ(set.class_name(0), "Alphabet_of_the_Magi/character01");
  EXPECT_EQ(set.class_name(1622), "ULOG/character26");
  EXPECT_EQ(set.default_scheme(), "maml");
  EXPECT_EQ(set.split("maml", "train").size(), 1100u);
  EXPECT_EQ(set.split("maml", "validation").size(), 100u);
  EXPECT_EQ(set.split("maml", "test").size(), 423u);
  ASSERT_EQ(set.split("vinyals", "train").size(), 1u);
  EXPECT_EQ(set.class_name(set.split("vinyals", "train")[0]), "Angelic/character01");
  EXPECT_EQ(set.class_name(set.split("vinyals", "val")[0]), "Greek/character24");
  EXPECT_EQ(set.class_name(set.split("vinyals", "test")[0]), "ULOG/character26");

  // Character 26 by drawer 7: 27 x 35 pixels of ink from the top left corner, 3.75 to a new pixel.
  const auto image = set.image(1622, 6);
  EXPECT_EQ(image[0], 255);
  EXPECT_EQ(image[28 * 8 + 6], 255);
  EXPECT_EQ(image[28 * 9], 85);  // 35 / 3.75 = 9 + 1/3
  EXPECT_EQ(image[7], 51);       // 27 / 3.75 = 7 + 1/5
  EXPECT_EQ(image[28 * 10 + 8], 0);

  const PackReport again = pack_omniglot({.inputs = {first, second}}, folder / "b.mtd");
  EXPECT_EQ(again.digest, report.digest);
}

TEST(PackOmniglot, NamesWhatIsMissing) {
  TemporaryFolder folder;
  FileTree files = background();
  write_archive(folder / "half.zip", files);
  expect_error(ErrorKind::io,
               "missing in 659 of them: Angelic/character01, Angelic/character02, "
               "Angelic/character03, Angelic/character04, Angelic/character05 and 654 more",
               [&] { pack_omniglot({.inputs = {folder / "half.zip"}}, folder / "out.mtd"); });
  EXPECT_FALSE(std::filesystem::exists(folder / "out.mtd"));

  files.merge(evaluation());
  files.erase("images_background/Greek/character03/0003_07.png");
  files.erase("images_background/Greek/character03/0003_11.png");
  write_archive(folder / "all.zip", files);
  expect_error(ErrorKind::io, "missing in 1 of them: Greek/character03 by drawer 07, 11; give both",
               [&] { pack_omniglot({.inputs = {folder / "all.zip"}}, folder / "out.mtd"); });
}

TEST(PackOmniglot, NamesWhatDoesNotBelong) {
  TemporaryFolder folder;
  const auto refused = [&](const FileTree& files, const std::string& fragment) {
    std::filesystem::remove(folder / "in.zip");
    write_archive(folder / "in.zip", files);
    expect_error(ErrorKind::io, fragment,
                 [&] { pack_omniglot({.inputs = {folder / "in.zip"}}, folder / "out.mtd"); });
  };
  const std::string drawing = drawing_file(1, 1);
  refused({{"x/Klingon/character01/0001_01.png", drawing}},
          "in.zip:x/Klingon/character01/0001_01.png] is not a drawing of Omniglot");
  refused({{"x/Greek/character25/0001_01.png", drawing}}, "is not a drawing of Omniglot");
  refused({{"x/Greek/character01/0001_21.png", drawing}}, "is not a drawing of Omniglot");
  refused({{"x/Greek/character01/0001_01.png", encode_png(uniform_image(28, 28, 1, 0))}},
          "is 28 x 28 with 1 channels, Omniglot drawings are 105 x 105 grey");
  refused({{"x/Greek/character01/0001_01.png", drawing.substr(0, drawing.size() / 2)}},
          "0001_01.png] is a damaged PNG");
  refused(
      {{"x/Greek/character01/0001_01.png", drawing}, {"y/Greek/character01/0001_01.png", drawing}},
      "image '01' of class 'Greek/character01' occurs twice");
}

TEST(PackOmniglot, NamesATruncatedArchive) {
  TemporaryFolder folder;
  write_archive(folder / "whole.zip", {{"x/Greek/character01/0001_01.png", drawing_file(1, 1)}});
  const std::string whole = read_text(folder / "whole.zip");
  write_text(folder / "cut.zip", whole.substr(0, whole.size() / 2));
  expect_error(ErrorKind::io, fmt::format("is a truncated zip: {} bytes found", whole.size() / 2),
               [&] { pack_omniglot({.inputs = {folder / "cut.zip"}}, folder / "out.mtd"); });
  expect_error(ErrorKind::io, "there is no such file or folder",
               [&] { pack_omniglot({.inputs = {folder / "no.zip"}}, folder / "out.mtd"); });
}

TEST(PackOmniglot, RefusesToEnlargeTheDrawings) {
  expect_error(ErrorKind::usage, "106 found, expected 1..105",
               [] { pack_omniglot({.inputs = {}, .size = 106}, "out.mtd"); });
}

}  // namespace
}  // namespace metatape
