#include "meta/data/task_folders.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "engine/error.h"
#include "meta/data/image_decode.h"
#include "meta/data/input_files.h"
#include "meta/data/name_list.h"
#include "meta/data/resize.h"

namespace metatape {

namespace fs = std::filesystem;

namespace {

Image with_channels(const Image& image, std::int64_t channels) {
  if (image.channels == channels) return image;
  Image result{.height = image.height, .width = image.width, .channels = channels};
  const std::size_t pixels = std::size_t(image.height * image.width);
  result.pixels.reserve(pixels * std::size_t(channels));
  for (std::size_t i = 0; i < pixels; ++i) {
    const std::uint8_t* p = &image.pixels[i * std::size_t(image.channels)];
    if (channels == 3)
      result.pixels.insert(result.pixels.end(), 3, p[0]);
    else  // luma of ITU-R BT.601
      result.pixels.push_back(std::uint8_t((299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000));
  }
  return result;
}

/// In the order of packing: inverted first, because the average rounds halves up.
Image brought_to(const ImageForm& form, const Image& decoded) {
  Image image = with_channels(decoded, form.channels);
  if (form.ink_is_bright)
    for (std::uint8_t& pixel : image.pixels) pixel = std::uint8_t(255 - pixel);
  if (form.height == form.width) image = centre_square(image);
  return area_resize(image, form.height, form.width);
}

void append(std::vector<float>& values, const Image& image) {
  for (std::uint8_t pixel : image.pixels) values.push_back(float(pixel) / 255.0f);
}

/// Path below the root -> image, in the order of the paths; and the folders that there are.
struct Pictures {
  std::map<std::string, Image> images;
  std::vector<std::string> folders;
};

Pictures read_pictures(const fs::path& root, const ImageForm& form) {
  Pictures all;
  const std::unique_ptr<InputFiles> files = open_input(root);
  while (files->next()) {
    const std::string name = files->name();
    if (is_hidden(name)) continue;
    if (files->is_folder()) {
      all.folders.push_back(name);
    } else if (names_an_image(name)) {
      const std::string subject = root.string() + ":" + name;
      if (!all.images.emplace(name, brought_to(form, decode_image(files->read(), subject))).second)
        fail(ErrorKind::io, subject, "occurs twice in the archive; take one out");
    }
  }
  return all;
}

std::string class_of(const std::string& name, const std::string& subject) {
  const std::size_t slash = name.find('/');
  if (slash == name.npos || name.find('/', slash + 1) != name.npos)
    fail(ErrorKind::io, subject + ":" + name,
         "expected CLASS/image.png: one folder of images for each class, and none deeper");
  return name.substr(0, slash);
}

void add_support(TaskFolders& task, const Pictures& pictures, const std::string& subject) {
  std::map<std::string, std::vector<const Image*>> classes;
  for (const std::string& folder : pictures.folders) classes[folder.substr(0, folder.find('/'))];
  for (const auto& [name, image] : pictures.images)
    classes[class_of(name, subject)].push_back(&image);
  std::vector<std::string> empty;
  for (const auto& [name, images] : classes)
    if (images.empty()) empty.push_back(name);
  if (!empty.empty())
    fail(ErrorKind::io, subject,
         "{} class folders hold no PNG or JPEG image: {}; fill or remove them", empty.size(),
         name_list(empty));
  if (classes.size() < 2)
    fail(ErrorKind::io, subject,
         "{} class folders found, expected at least 2: CLASS/image.png or .jpg", classes.size());
  for (const auto& [name, images] : classes) {
    task.support_labels.insert(task.support_labels.end(), images.size(),
                               std::int32_t(task.classes.size()));
    task.classes.push_back(name);
    task.shots.push_back(std::int64_t(images.size()));
    for (const Image* image : images) append(task.support, *image);
  }
}

}  // namespace

ImageForm image_form(const PackedHeader& h) {
  return {h.height, h.width, h.channels, h.kind == "omniglot" || h.kind == "glyphs"};
}

std::string describe(const ImageForm& form) {
  return fmt::format("images are {}{}averaged to {} x {}, {}",
                     form.ink_is_bright ? "inverted (dark ink on light paper expected), " : "",
                     form.height == form.width ? "cut to the centre square, " : "", form.height,
                     form.width, form.channels == 1 ? "made grey" : "made RGB");
}

TaskFolders read_task_folders(const fs::path& support, const fs::path& query,
                              const ImageForm& form) {
  TaskFolders task;
  add_support(task, read_pictures(support, form), support.string());
  for (const auto& [name, image] : read_pictures(query, form).images) {
    task.query_files.push_back(name);
    append(task.query, image);
  }
  if (task.query_files.empty())
    fail(ErrorKind::io, query.string(),
         "holds no PNG or JPEG image; put the images to be labelled there");
  const auto sum = [](const std::vector<float>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0);
  };
  task.mean_value =
      (sum(task.support) + sum(task.query)) / double(task.support.size() + task.query.size());
  return task;
}

}  // namespace metatape
