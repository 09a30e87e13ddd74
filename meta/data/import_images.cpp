#include "meta/data/import_images.h"

#include <fmt/format.h>

#include <set>

#include "engine/error.h"
#include "meta/data/class_split.h"
#include "meta/data/image_collection.h"
#include "meta/data/image_decode.h"
#include "meta/data/input_files.h"
#include "meta/data/name_list.h"
#include "meta/data/resize.h"

namespace metatape {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kLargestSize = 1024;

struct Collected {
  explicit Collected(const fs::path& output) : images(output) {}

  ImageCollection images;
  std::set<std::string> folders;  ///< all of them
  std::set<std::string> filled;   ///< those with an image somewhere below
  std::int64_t other_files = 0;
};

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == path.npos ? "" : path.substr(0, slash);
}

Image with_channels(Image image, std::int64_t channels, const std::string& subject) {
  if (image.channels == channels) return image;
  if (channels == 1)
    fail(ErrorKind::io, subject, "is a colour image, but 1 channel was asked for; use 3 channels");
  Image rgb{.height = image.height, .width = image.width, .channels = 3};
  rgb.pixels.reserve(image.pixels.size() * 3);
  for (std::uint8_t grey : image.pixels) rgb.pixels.insert(rgb.pixels.end(), 3, grey);
  return rgb;
}

void collect(const ImagesImport& import, Collected& all) {
  const std::unique_ptr<InputFiles> files = open_input(import.input);
  while (files->next()) {
    const std::string& name = files->name();
    if (is_hidden(name)) continue;
    if (files->is_folder()) {
      all.folders.insert(name);
      continue;
    }
    if (!names_an_image(name)) {
      ++all.other_files;
      continue;
    }
    const std::string subject = import.input.string() + ":" + name;
    const std::string folder = folder_of(name);
    if (folder.empty())
      fail(ErrorKind::io, subject,
           "lies outside a class folder; put each image into a folder named after its class");
    Image image =
        area_resize(centre_square(decode_image(files->read(), subject)), import.size, import.size);
    all.images.add(folder, fs::path(name).filename().string(),
                   with_channels(std::move(image), import.channels, subject), subject);
    for (std::string f = folder; !f.empty(); f = folder_of(f)) all.filled.insert(f);
  }
}

void check_folders(const Collected& all, const std::string& subject) {
  if (all.filled.empty())
    fail(ErrorKind::io, subject, "holds no PNG or JPEG image; expected CLASS/image.png or .jpg");
  std::vector<std::string> empty;
  for (const std::string& folder : all.folders)
    if (!all.filled.contains(folder)) empty.push_back(folder);
  if (!empty.empty())
    fail(ErrorKind::io, subject,
         "{} class folders hold no PNG or JPEG image: {}; fill or remove them", empty.size(),
         name_list(empty));
}

}  // namespace

PackReport pack_images(const ImagesImport& import, const fs::path& output) {
  if (import.size < 1 || import.size > kLargestSize)
    fail(ErrorKind::usage, "size", "{} found, expected 1..{}", import.size, kLargestSize);
  if (import.channels != 1 && import.channels != 3)
    fail(ErrorKind::usage, "channels", "{} found, expected 1 or 3", import.channels);
  Collected all(output);
  collect(import, all);
  check_folders(all, import.input.string());
  all.images.shorten_class_names();

  PackedHeader header{.kind = "images", .scale = "value = byte / 255"};
  header.sources.push_back(describe_source(import.input));
  const std::vector<std::string> classes = all.images.class_names();
  std::vector<std::string> notes;
  if (import.split) {
    header.splits.push_back(read_split(*import.split, "file", classes));
    header.sources.push_back(describe_source(*import.split));
  } else {
    header.splits.push_back(name_hash_split("hash", classes));
    notes.push_back(fmt::format(
        "no split was given: {} classes for training, {} for validation, {} for test, in the order "
        "of the SHA-256 of their names",
        header.splits[0].train.size(), header.splits[0].validation.size(),
        header.splits[0].test.size()));
  }
  if (std::string note = unused_classes_note(header.splits[0], classes); !note.empty())
    notes.push_back(std::move(note));
  if (all.other_files > 0)
    notes.push_back(
        fmt::format("{} files that are not PNG or JPEG were left out", all.other_files));
  PackReport report = all.images.write(std::move(header));
  report.notes = std::move(notes);
  return report;
}

}  // namespace metatape
