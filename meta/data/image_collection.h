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
/// wants them by class. Held in memory: 1.3 GB for 60,000 images of 84 x 84 RGB.
class ImageCollection {
 public:
  /// Classes and images come out in the order of these names. Errors: io, if the pair is taken.
  void add(const std::string& class_name, const std::string& image_name, Image image,
           const std::string& subject);

  /// Leaves out the folders that all class names have in common at the front: "set/train/cat" and
  /// "set/train/dog" become "cat" and "dog".
  void shorten_class_names();

  bool contains(const std::string& class_name, const std::string& image_name) const;
  std::vector<std::string> class_names() const;

  /// Fills in the header's extents and classes and writes the set.
  PackReport write(const std::filesystem::path& output, PackedHeader header) const;

 private:
  std::map<std::string, std::map<std::string, Image>> classes_;
};

/// The record of an input in the header: its name, and for a file its SHA-256.
PackedSource describe_source(const std::filesystem::path&);

}  // namespace metatape
