#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "meta/data/packed_header.h"

namespace metatape {

/// What the images of a data set look like: what new ones are brought to.
struct ImageForm {
  std::int64_t height = 0, width = 0, channels = 0;
  bool ink_is_bright = false;  ///< drawings: files hold dark ink on light paper, sets the inverse
};
/// Drawings are the sets of the kinds omniglot and glyphs.
ImageForm image_form(const PackedHeader&);

/// One sentence for people: what is done with a file before the network sees it.
std::string describe(const ImageForm&);

/// A classification task in folders of somebody's own images.
struct TaskFolders {
  std::vector<std::string> classes;          ///< subfolders of the support folder, sorted
  std::vector<std::int64_t> shots;           ///< images of each class
  std::vector<float> support, query;         ///< [N,H,W,C], byte / 255
  std::vector<std::int32_t> support_labels;  ///< class-major
  std::vector<std::string> query_files;      ///< paths below the query folder, sorted
  double mean_value = 0;                     ///< of all images after conversion

  std::int64_t ways() const { return std::int64_t(classes.size()); }
};

/// Reads CLASS/image.png (or .jpg) below `support`, and images at any depth below `query`; both may
/// be archives. Each is treated as `pack` treats a data set of that form: inverted if it is a
/// drawing, the centre square where the set is square, area-averaged to the size; grey becomes
/// three equal channels, colour becomes (299 R + 587 G + 114 B) / 1000 where one channel is wanted.
/// Errors: io, naming folder and file: unreadable images, images outside a class folder or deeper
/// than it, a class folder without images, fewer than two classes, no query image.
TaskFolders read_task_folders(const std::filesystem::path& support,
                              const std::filesystem::path& query, const ImageForm&);

}  // namespace metatape
