#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "meta/data/class_split.h"
#include "meta/data/image_decode.h"
#include "meta/data/import_images.h"
#include "meta/data/packed_set.h"
#include "meta/data/resize.h"
#include "tests/meta/image_files.h"
#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

std::string grey_png(std::uint8_t value, std::int64_t side = 6) {
  return encode_png(uniform_image(side, side, 1, value));
}

/// Three classes of two images under a common folder, one of them a colour JPEG.
FileTree three_classes() {
  return {{"set/ant/1.png", grey_png(10)},
          {"set/ant/2.PNG", grey_png(20)},
          {"set/bee/1.jpg", encode_jpeg(uniform_image(8, 16, 3, 30))},
          {"set/bee/2.png", grey_png(40)},
          {"set/cat/1.png", grey_png(50)},
          {"set/cat/2.png", grey_png(60)}};
}

/// Packs `files` from an archive or, if the name has no ending, from a folder.
class Packing {
 public:
  PackReport pack(const FileTree& files, const std::string& name = "in.zip",
                  ImagesImport import = {.input = {}, .size = 4}) {
    import.input = folder / name;
    std::filesystem::remove_all(import.input);
    if (import.input.has_extension())
      write_archive(import.input, files);
    else
      write_folder(import.input, files);
    return pack_images(import, output());
  }

  void expect_refused(const FileTree& files, const std::string& fragment,
                      const std::string& name = "in.zip") {
    expect_error(ErrorKind::io, fragment, [&] { pack(files, name); });
    EXPECT_FALSE(std::filesystem::exists(output()));
  }

  std::filesystem::path output() const { return folder / "out.mtd"; }
  PackedSet set() const { return PackedSet::open(output()); }

  TemporaryFolder folder;
};

TEST(AreaResize, AveragesWithFractionalCoverage) {
  const Image line{.height = 1, .width = 3, .channels = 1, .pixels = {0, 100, 200}};
  EXPECT_EQ(area_resize(line, 1, 2).pixels, (std::vector<std::uint8_t>{33, 167}));
  EXPECT_EQ(area_resize(line, 1, 1).pixels, (std::vector<std::uint8_t>{100}));
  EXPECT_EQ(area_resize(line, 1, 3).pixels, line.pixels);
  EXPECT_EQ(area_resize(line, 2, 6).pixels,
            (std::vector<std::uint8_t>{0, 0, 100, 100, 200, 200, 0, 0, 100, 100, 200, 200}));
  const Image halves{.height = 2, .width = 1, .channels = 1, .pixels = {0, 255}};
  EXPECT_EQ(area_resize(halves, 1, 1).pixels, (std::vector<std::uint8_t>{128}));  // 127.5 up
}

TEST(AreaResize, MatchesAnIntegralInFloatingPoint) {
  Image image{.height = 105, .width = 47, .channels = 3};
  for (int i = 0; i < 105 * 47 * 3; ++i) image.pixels.push_back(std::uint8_t(i * 7919 % 251));
  const Image small = area_resize(image, 28, 13);
  const auto overlap = [](int old, int now, double scale) {
    return std::max(0.0,
                    std::min(old + 1.0, (now + 1) * scale) - std::max(double(old), now * scale));
  };
  const double high = 105.0 / 28, wide = 47.0 / 13;
  for (int y = 0; y < 28; ++y) {
    for (int x = 0; x < 13; ++x) {
      for (int c = 0; c < 3; ++c) {
        double sum = 0;
        for (int i = 0; i < 105; ++i)
          for (int j = 0; j < 47; ++j)
            sum += overlap(i, y, high) * overlap(j, x, wide) * image.pixels[(i * 47 + j) * 3 + c];
        const double mean = sum / (high * wide);
        ASSERT_GT(mean, 1);
        EXPECT_NEAR(small.pixels[(y * 13 + x) * 3 + c], mean,
                    0.5 + tolerance::kExactForms);  // rounding to a byte
      }
    }
  }
}

TEST(CentreSquare, CutsBothEndsOfTheLongerSide) {
  const Image wide{.height = 1, .width = 4, .channels = 1, .pixels = {1, 2, 3, 4}};
  EXPECT_EQ(centre_square(wide).pixels, (std::vector<std::uint8_t>{2}));
  const Image tall{.height = 4, .width = 2, .channels = 1, .pixels = {1, 2, 3, 4, 5, 6, 7, 8}};
  EXPECT_EQ(centre_square(tall).pixels, (std::vector<std::uint8_t>{3, 4, 5, 6}));
}

TEST(DecodeImage, ReadsPngExactly) {
  const Image rgb{.height = 1, .width = 2, .channels = 3, .pixels = {1, 2, 3, 250, 251, 252}};
  const Image decoded = decode_image(as_file(encode_png(rgb)), "x");
  EXPECT_EQ(decoded.channels, 3);
  EXPECT_EQ(decoded.pixels, rgb.pixels);
}

TEST(DecodeImage, LaysTransparentPixelsOverWhite) {
  const Image grey{.height = 1, .width = 3, .channels = 2, .pixels = {0, 255, 0, 0, 100, 128}};
  const Image decoded = decode_image(as_file(encode_png(grey)), "x");
  EXPECT_EQ(decoded.channels, 1);
  EXPECT_EQ(decoded.pixels, (std::vector<std::uint8_t>{0, 255, 177}));  // 100*128/255 + 127
}

TEST(DecodeImage, ReadsJpegAlmostExactly) {
  for (std::int64_t channels : {1, 3}) {
    const Image decoded =
        decode_image(as_file(encode_jpeg(uniform_image(9, 7, channels, 90))), "x");
    EXPECT_EQ(decoded.height, 9);
    EXPECT_EQ(decoded.width, 7);
    EXPECT_EQ(decoded.channels, channels);
    for (int value : decoded.pixels) EXPECT_LE(std::abs(value - 90), 2);  // one quantiser step
  }
}

TEST(DecodeImage, RefusesWhatItCannotRead) {
  const auto refused = [](const std::string& file, const std::string& fragment) {
    expect_error(ErrorKind::io, fragment, [&] { decode_image(as_file(file), "x"); });
  };
  refused("", "the image is empty");
  refused("GIF89a....", "is neither PNG nor JPEG");
  refused(encode_jpeg(uniform_image(8, 8, 4, 9)), "is a JPEG with 4 colours (CMYK?)");
  refused("\x89PNG\r\n\x1a\n", "is a damaged PNG: the file is truncated");
  refused("\xff\xd8\xff", "is a damaged JPEG");
}

TEST(DecodeImage, RefusesFilesCutAnywhere) {
  Image noise = uniform_image(40, 40, 3, 0);
  for (std::size_t i = 0; i < noise.pixels.size(); ++i)
    noise.pixels[i] = std::uint8_t(i * i * 31 % 253);
  for (const std::string& file : {encode_png(noise), encode_jpeg(noise)}) {
    ASSERT_EQ(decode_image(as_file(file), "x").height, 40);
    for (std::size_t length = 1; length + 2 < file.size(); length += 97)
      EXPECT_THROW(decode_image(as_file(file.substr(0, length)), "x"), Error) << length;
  }
}

TEST(DecodeImage, NeverCrashesOnFlippedBytes) {
  int refused = 0;
  for (const std::string& file : {grey_png(3, 30), encode_jpeg(uniform_image(30, 30, 3, 77))}) {
    for (std::size_t at = 2; at < file.size(); ++at) {
      std::string damaged = file;
      damaged[at] = char(~damaged[at]);
      try {
        decode_image(as_file(damaged), "x");
      } catch (const Error& error) {
        EXPECT_EQ(error.kind, ErrorKind::io);
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(DecodeImage, RefusesHugePicturesBeforeTakingMemory) {
  // A PNG that claims 20000 x 20000 pixels; its first checksum covers type, extents and flags.
  std::string file = grey_png(0);
  const auto put = [&](std::size_t at, std::uint32_t value) {
    for (int i = 0; i < 4; ++i) file[at + std::size_t(i)] = char(value >> (24 - 8 * i));
  };
  const auto seal = [&] {
    std::uint32_t crc = 0xffffffff;  // of bytes 12..28, ISO 3309
    for (std::size_t i = 12; i < 29; ++i) {
      crc ^= std::uint8_t(file[i]);
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    put(29, ~crc);
  };
  put(16, 20000);
  put(20, 20000);
  seal();
  expect_error(ErrorKind::io, "the image is 20000 x 20000, at most 16384 x 16384",
               [&] { decode_image(as_file(file), "x"); });
  put(16, 16384);
  put(20, 16384);
  seal();
  expect_error(ErrorKind::io, "the image decodes to 1073741824 bytes",
               [&] { decode_image(as_file(file), "x"); });
}

TEST(PackImages, PacksFolderZipAndTarAlike) {
  Packing p;
  const PackReport report = p.pack(three_classes(), "folder");
  EXPECT_EQ(report.classes, 3);
  EXPECT_EQ(report.images, 6);
  EXPECT_EQ(report.height, 4);
  EXPECT_EQ(report.channels, 3);
  const PackedSet set = p.set();
  EXPECT_EQ(set.class_name(0), "ant");
  EXPECT_EQ(set.class_name(1), "bee");
  EXPECT_EQ(set.image(0, 1)[0], 20);
  EXPECT_NEAR(set.image(1, 0)[47], 30, tolerance::kJpegLevels);
  EXPECT_EQ(set.image(2, 0)[5], 50);
  EXPECT_EQ(p.pack(three_classes(), "in.zip").digest, report.digest);
  EXPECT_EQ(p.pack(three_classes(), "in.tar").digest, report.digest);
  EXPECT_EQ(p.pack(three_classes(), "in.tar.gz").digest, report.digest);
}

TEST(PackImages, SplitsClassesByTheHashOfTheirNames) {
  Packing p;
  FileTree files;
  for (int c = 0; c < 25; ++c) files[fmt::format("class{}/1.png", c)] = grey_png(std::uint8_t(c));
  const PackReport report = p.pack(files);
  ASSERT_EQ(report.notes.size(), 1u);
  EXPECT_NE(report.notes[0].find("16 classes for training, 4 for validation, 5 for test"),
            std::string::npos);
  const PackedSet set = p.set();
  EXPECT_EQ(set.split("hash", "train").size(), 16u);
  EXPECT_EQ(set.split("hash", "validation").size(), 4u);
  EXPECT_EQ(set.split("hash", "test").size(), 5u);
  const auto train = set.split("hash", "train");
  EXPECT_NE(std::vector(train.begin(), train.end()),
            (std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}));
}

TEST(PackImages, ReadsASplitFile) {
  Packing p;
  write_text(p.folder / "split.csv",
             "\xef\xbb\xbfid,class,split\r\n0,\"ant\",train\r\n1,bee,val\r\n\r\n2,cat,test\r\n");
  ImagesImport import{.input = {}, .split = p.folder / "split.csv", .size = 4};
  const PackReport report = p.pack(three_classes(), "in.zip", import);
  EXPECT_TRUE(report.notes.empty());
  const PackedSet set = p.set();
  EXPECT_EQ(set.split("", "train")[0], 0);
  EXPECT_EQ(set.split("", "val")[0], 1);
  EXPECT_EQ(set.split("", "test")[0], 2);
}

TEST(PackImages, ReadsASplitFolderWithOneLinePerImage) {
  Packing p;
  write_folder(p.folder / "lists", {{"train.csv", "filename,label\n1.png,cat\n2.png,cat\n"},
                                    {"val.csv", "filename,label\n1.png,ant\n"},
                                    {"test.csv", "filename,label\n"}});
  ImagesImport import{.input = {}, .split = p.folder / "lists", .size = 4};
  const PackReport report = p.pack(three_classes(), "in.zip", import);
  ASSERT_EQ(report.notes.size(), 1u);
  EXPECT_EQ(report.notes[0], "1 classes are in no part of split 'file': bee");
  EXPECT_EQ(p.set().split("", "train")[0], 2);
}

TEST(PackImages, RefusesSplitsThatDoNotFit) {
  Packing p;
  const auto refused = [&](const std::string& csv, const std::string& fragment) {
    write_text(p.folder / "split.csv", csv);
    ImagesImport import{.input = {}, .split = p.folder / "split.csv", .size = 4};
    expect_error(ErrorKind::io, fragment, [&] { p.pack(three_classes(), "in.zip", import); });
  };
  refused("class,split\ndog,train\nelk,test\nant,train\n",
          "2 classes of the split are not among the 3 classes of the images: dog, elk");
  refused("class,split\nant,train\nant,test\n", "class 'ant' is in train and in test");
  refused("class,split\nant,dev\n", "class 'ant' is in part 'dev'");
  refused("name,split\nant,train\n", "has no column 'class' in its first line; found: name, split");
  refused("class,split\nant\n", "line 2 has 1 fields, its first line has 2");
  refused("class,split\n\"ant,train\n", "line 2 has a quote that is not closed");
  refused("class,split\n" + std::string(65537, ','), "line 2 has 65537 bytes, at most 65536 are read");
  std::string strangers = "class,split\n";
  for (int i = 0; i < 1001; ++i) strangers += "c" + std::to_string(i) + ",train\n";
  refused(strangers + "\"", "at least 1001 classes of the split are not among the 3");
  refused("", "is empty");
  write_folder(p.folder / "lists", {{"train.csv", "filename,label\n"}});
  ImagesImport import{.input = {}, .split = p.folder / "lists", .size = 4};
  expect_error(ErrorKind::io, "has no list of the validation classes",
               [&] { p.pack(three_classes(), "in.zip", import); });
}

TEST(PackImages, KeepsGreyImagesGreyOnlyIfAsked) {
  Packing p;
  const ImagesImport grey{.input = {}, .size = 4, .channels = 1};
  FileTree files = {{"a/1.png", grey_png(1)}, {"b/1.png", grey_png(2)}};
  p.pack(files, "in.zip", grey);
  EXPECT_EQ(p.set().channels(), 1);
  files["b/2.png"] = encode_png(uniform_image(4, 4, 3, 9));
  expect_error(ErrorKind::io, "in.zip:b/2.png] is a colour image, but 1 channel was asked for",
               [&] { p.pack(files, "in.zip", grey); });
}

TEST(PackImages, LeavesOutOtherFilesAndSaysSo) {
  Packing p;
  FileTree files = three_classes();
  files["set/readme.txt"] = "hello";
  files["set/ant/.DS_Store"] = "x";
  files["__MACOSX/set/ant/._1.png"] = "x";
  const PackReport report = p.pack(files);
  EXPECT_EQ(report.images, 6);
  ASSERT_EQ(report.notes.size(), 2u);
  EXPECT_EQ(report.notes[1], "1 files that are not PNG or JPEG were left out");
}

TEST(PackImages, NamesImagesAndFoldersThatDoNotFit) {
  Packing p;
  const std::string png = grey_png(5), jpeg = encode_jpeg(uniform_image(30, 30, 3, 77));
  p.expect_refused({{"a/1.png", png}, {"a/2.png", png.substr(0, png.size() - 9)}},
                   "in.zip:a/2.png] is a damaged PNG");
  p.expect_refused({{"a/1.jpg", jpeg}, {"a/2.jpg", jpeg.substr(0, jpeg.size() - 40)}},
                   "in.zip:a/2.jpg] is a damaged JPEG");
  p.expect_refused({{"a/1.png", png}, {"b/1.png", ""}}, "in.zip:b/1.png] the image is empty");
  p.expect_refused({{"a/1.png", png}, {"2.png", png}}, "in.zip:2.png] lies outside a class folder");
  p.expect_refused({{"notes.txt", "x"}}, "holds no PNG or JPEG image");
  const FileTree empty_class = {{"a/1.png", png}, {"b/", ""}, {"c/", ""}, {"c/x.gif", "x"}};
  for (const char* name : {"in.zip", "folder"})
    p.expect_refused(empty_class, "2 class folders hold no PNG or JPEG image: b, c", name);
  p.expect_refused({{"a/1.png", png}, {"./a/1.png", png}},
                   "image '1.png' of class 'a' occurs twice");
}

TEST(PackImages, NamesDamagedArchives) {
  Packing p;
  p.pack(three_classes());
  std::filesystem::remove(p.output());
  const std::string zip = read_text(p.folder / "in.zip");
  const auto refused = [&](const std::string& content, const std::string& fragment) {
    write_text(p.folder / "bad.zip", content);
    expect_error(ErrorKind::io, fragment,
                 [&] { pack_images({.input = p.folder / "bad.zip", .size = 4}, p.output()); });
    EXPECT_FALSE(std::filesystem::exists(p.output()));
  };
  for (std::size_t length : {zip.size() - 10, zip.size() / 2, std::size_t{60}})
    refused(zip.substr(0, length), fmt::format("is a truncated zip: {} bytes found", length));
  refused("", "is not a zip or tar archive (it is empty)");
  refused(std::string(2000, 'x'), "is not a zip or tar archive");
  std::string damaged = zip;
  damaged[damaged.find("ant/1.png") + 40] ^= 0x55;  // within the first entry's content
  refused(damaged, "entry 'set/ant/1.png' is damaged");
}

TEST(PackImages, RefusesArchivesThatUnpackWithoutEnd) {
  Packing p;
  const FileTree bomb = {{"a/1.png", grey_png(1)}, {"a/readme.txt", std::string(8 << 20, 'x')}};
  for (const char* name : {"in.zip", "in.tar.gz"})
    p.expect_refused(bomb, "unpacks to more than 200 times its", name);
}

TEST(PackImages, NeverWritesUnderNamesFromAnArchive) {
  Packing p;
  FileTree files = three_classes();
  files["../../outside.png"] = grey_png(1);
  files["/absolute.txt"] = "x";
  p.pack(files);
  int entries = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::recursive_directory_iterator(p.folder.path()))
    ++entries;
  EXPECT_EQ(entries, 2);  // in.zip and out.mtd
}

TEST(PackImages, RefusesImpossibleOptions) {
  expect_error(ErrorKind::usage, "0 found, expected 1..1024",
               [] { pack_images({.input = "x", .size = 0}, "y"); });
  expect_error(ErrorKind::usage, "2 found, expected 1 or 3",
               [] { pack_images({.input = "x", .channels = 2}, "y"); });
  expect_error(ErrorKind::io, "there is no such file or folder",
               [] { pack_images({.input = "no-such-folder"}, "y"); });
}

TEST(ClassSplit, SharesAddUpForEveryCount) {
  for (std::int64_t n = 1; n <= 200; ++n) {
    const PartSizes sizes = usual_part_sizes(n);
    EXPECT_EQ(sizes.train + sizes.validation + sizes.test, n);
    EXPECT_TRUE(sizes.train >= 0 && sizes.validation >= 0 && sizes.test >= 0);
  }
  EXPECT_EQ(usual_part_sizes(100).train, 64);
  EXPECT_EQ(usual_part_sizes(100).test, 20);
}

}  // namespace
}  // namespace metatape
