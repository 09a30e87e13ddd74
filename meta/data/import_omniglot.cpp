#include "meta/data/import_omniglot.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engine/error.h"
#include "meta/data/class_split.h"
#include "meta/data/image_collection.h"
#include "meta/data/image_decode.h"
#include "meta/data/input_files.h"
#include "meta/data/name_list.h"
#include "meta/data/omniglot_alphabets.h"
#include "meta/data/resize.h"

namespace metatape {

namespace fs = std::filesystem;

namespace {

constexpr PartSizes kMamlParts{.train = 1100, .validation = 100, .test = 423};

std::string character_name(const OmniglotAlphabet& alphabet, int number) {
  return fmt::format("{}/character{:02}", alphabet.name, number);
}

std::string drawer_name(int drawer) { return fmt::format("{:02}", drawer); }

/// ".../Alphabet/character01/0001_07.png" -> {"Alphabet/character01", "07"}
std::pair<std::string, std::string> class_and_drawer(const std::string& entry) {
  const fs::path path(entry);
  const fs::path folder = path.parent_path();
  const std::string stem = path.stem().string();
  return {(folder.parent_path().filename() / folder.filename()).generic_string(),
          stem.substr(stem.find('_') + 1)};
}

Image drawing(const std::vector<std::byte>& file, std::int64_t size, const std::string& subject) {
  Image image = decode_image(file, subject);
  if (image.height != kOmniglotSide || image.width != kOmniglotSide || image.channels != 1)
    fail(ErrorKind::io, subject, "is {} x {} with {} channels, Omniglot drawings are {} x {} grey",
         image.height, image.width, image.channels, kOmniglotSide, kOmniglotSide);
  for (std::uint8_t& pixel : image.pixels) pixel = std::uint8_t(255 - pixel);  // ink was 0
  return area_resize(image, size, size);
}

std::set<std::string> all_characters() {
  std::set<std::string> names;
  for (const OmniglotAlphabet& alphabet : kOmniglotAlphabets)
    for (int c = 1; c <= alphabet.characters; ++c) names.insert(character_name(alphabet, c));
  return names;
}

std::vector<std::string> missing_drawings(const ImageCollection& images,
                                          const std::string& character) {
  std::vector<std::string> missing;
  for (int d = 1; d <= kOmniglotDrawers; ++d)
    if (!images.contains(character, drawer_name(d))) missing.push_back(drawer_name(d));
  return missing;
}

void check_complete(const ImageCollection& images, const std::string& subject) {
  std::vector<std::string> missing;
  const std::set<std::string> characters = all_characters();
  for (const std::string& character : characters) {
    const std::vector<std::string> drawers = missing_drawings(images, character);
    if (drawers.size() == kOmniglotDrawers)
      missing.push_back(character);
    else if (!drawers.empty())
      missing.push_back(fmt::format("{} by drawer {}", character, name_list(drawers)));
  }
  if (!missing.empty())
    fail(ErrorKind::io, subject,
         "Omniglot has {} characters with {} drawings each; missing in {} of them: {}; give both "
         "images_background.zip and images_evaluation.zip, undamaged",
         characters.size(), kOmniglotDrawers, missing.size(), name_list(missing));
}

void read_input(const fs::path& path, std::int64_t size, ImageCollection& images) {
  const std::set<std::string> characters = all_characters();
  const std::unique_ptr<InputFiles> files = open_input(path);
  while (files->next()) {
    if (files->is_folder() || !names_an_image(files->name())) continue;
    const std::string subject = path.string() + ":" + files->name();
    const auto [character, drawer] = class_and_drawer(files->name());
    const bool is_known = characters.contains(character) && drawer.size() == 2 && drawer >= "01" &&
                          drawer <= drawer_name(kOmniglotDrawers);
    if (!is_known)
      fail(ErrorKind::io, subject,
           "is not a drawing of Omniglot; names end in Alphabet/characterNN/NNNN_DD.png with "
           "drawers DD from 01 to {}",
           kOmniglotDrawers);
    images.add(character, drawer, drawing(files->read(), size, subject), subject);
  }
}

}  // namespace

PackReport pack_omniglot(const OmniglotImport& import, const fs::path& output) {
  if (import.size < 1 || import.size > kOmniglotSide)
    fail(ErrorKind::usage, "size", "{} found, expected 1..{}, the side of the drawings",
         import.size, kOmniglotSide);
  PackedHeader header{.kind = "omniglot", .scale = "ink = 255, paper = 0; value = byte / 255"};
  ImageCollection images(output);
  for (const fs::path& path : import.inputs) {
    read_input(path, import.size, images);
    header.sources.push_back(describe_source(path));
  }
  std::ranges::sort(header.sources, {}, &PackedSource::file);
  check_complete(images, output.string());
  header.splits.push_back(shuffled_split("maml", kMamlParts));
  if (import.vinyals)
    header.splits.push_back(read_split(*import.vinyals, "vinyals", images.class_names()));
  return images.write(std::move(header));
}

}  // namespace metatape
