#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "meta/data/image.h"
#include "meta/data/pack_writer.h"

namespace metatape {

/// Images of one size on their way into a packed set: archives bring them in any order, the set
/// wants them by class. They wait in a file beside the set, because 779,165 images of 84 x 84 RGB
/// (tieredImageNet) have 16 GB.
class ImageCollection {
 public:
  /// Errors: io, if nothing can be written beside `output`, the set to come.
  explicit ImageCollection(std::filesystem::path output);

  /// Classes and images come out in the order of these names. Errors: io, if the pair is taken;
  /// internal, if the image is not of the others' size.
  void add(const std::string& class_name, const std::string& image_name, const Image& image,
           const std::string& subject);

  /// Leaves out the folders that all class names have in common at the front: "set/train/cat" and
  /// "set/train/dog" become "cat" and "dog".
  void shorten_class_names();

  bool contains(const std::string& class_name, const std::string& image_name) const;
  std::vector<std::string> class_names() const;

  /// Fills in the header's extents and classes and writes the set.
  PackReport write(PackedHeader header) const;

 private:
  std::filesystem::path output_;
  AtomicFile pixels_;  ///< nameless
  std::int64_t height_ = 0, width_ = 0, channels_ = 0;
  std::size_t count_ = 0;
  std::map<std::string, std::map<std::string, std::size_t>> classes_;  ///< positions in pixels_
};

/// The record of an input in the header: its name, and for a file its SHA-256.
PackedSource describe_source(const std::filesystem::path&);

}  // namespace metatape
