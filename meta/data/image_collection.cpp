#include "meta/data/image_collection.h"

#include <algorithm>
#include <tuple>

#include "engine/error.h"
#include "engine/io/mapped_file.h"
#include "engine/io/paths.h"
#include "engine/io/sha256.h"

namespace metatape {
namespace {

std::tuple<std::int64_t, std::int64_t, std::int64_t> extents_of(const Image& image) {
  return {image.height, image.width, image.channels};
}

}  // namespace

ImageCollection::ImageCollection(std::filesystem::path output)
    : output_(std::move(output)), pixels_(output_) {
  pixels_.make_nameless();
}

void ImageCollection::add(const std::string& class_name, const std::string& image_name,
                          const Image& image, const std::string& subject) {
  if (!classes_[class_name].emplace(image_name, count_).second)
    fail(ErrorKind::io, subject,
         "image '{}' of class '{}' occurs twice; take one out, or give each input once", image_name,
         class_name);
  if (count_ == 0) std::tie(height_, width_, channels_) = extents_of(image);
  if (extents_of(image) != std::tuple(height_, width_, channels_))
    fail(ErrorKind::internal, subject, "is {} x {} x {}, the images before are {} x {} x {}",
         image.height, image.width, image.channels, height_, width_, channels_);
  pixels_.write(std::as_bytes(std::span(image.pixels)));
  ++count_;
}

void ImageCollection::shorten_class_names() {
  if (classes_.empty()) return;
  // The names are sorted: what the first and the last share, all share.
  const std::string &first = classes_.begin()->first, &last = classes_.rbegin()->first;
  const std::size_t shared = std::size_t(std::ranges::mismatch(first, last).in1 - first.begin());
  const std::size_t slash = first.substr(0, shared).rfind('/');
  const std::size_t cut = classes_.size() == 1 ? first.rfind('/') : slash;
  if (cut == first.npos) return;
  decltype(classes_) shortened;
  for (auto& [name, images] : classes_) shortened.emplace(name.substr(cut + 1), std::move(images));
  classes_ = std::move(shortened);
}

bool ImageCollection::contains(const std::string& class_name, const std::string& image_name) const {
  const auto found = classes_.find(class_name);
  return found != classes_.end() && found->second.contains(image_name);
}

std::vector<std::string> ImageCollection::class_names() const {
  std::vector<std::string> names;
  names.reserve(classes_.size());
  for (const auto& [name, images] : classes_) names.push_back(name);
  return names;
}

PackReport ImageCollection::write(PackedHeader header) const {
  header.height = height_;
  header.width = width_;
  header.channels = channels_;
  for (const auto& [name, images] : classes_)
    header.classes.push_back(
        {.name = name, .first = header.image_count(), .count = std::int64_t(images.size())});
  std::vector<std::uint8_t> pixels(std::size_t(header.image_bytes()));
  PackWriter writer(output_, std::move(header));
  for (const auto& [name, images] : classes_)
    for (const auto& [key, position] : images) {
      pixels_.read(position * pixels.size(), std::as_writable_bytes(std::span(pixels)));
      writer.add(pixels);
    }
  return writer.commit();
}

PackedSource describe_source(const std::filesystem::path& path) {
  // A folder given as "birds/" has an empty last part.
  const std::filesystem::path named = path.has_filename() ? path : path.parent_path();
  PackedSource source{.file = named.filename().string()};
  if (!is_folder(path)) source.sha256 = sha256_hex(MappedFile(path).bytes());
  return source;
}

}  // namespace metatape
