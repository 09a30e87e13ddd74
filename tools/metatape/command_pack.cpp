#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "meta/data/glyphs.h"
#include "meta/data/import_images.h"
#include "meta/data/import_omniglot.h"
#include "tools/metatape/command.h"

namespace metatape {
namespace {

void tell(const Output& output, const PackReport& r, const std::string& out) {
  for (const std::string& note : r.notes) output.say(note);
  output.result(
      {{"file", out},
       {"classes", r.classes},
       {"images", r.images},
       {"height", r.height},
       {"width", r.width},
       {"channels", r.channels},
       {"bytes", r.bytes},
       {"sha256", r.digest}},
      fmt::format("{}: {} classes, {} images of {}x{}x{}, {} bytes, sha256 of the images {}", out,
                  r.classes, r.images, r.height, r.width, r.channels, r.bytes, r.digest));
}

}  // namespace

void pack_omniglot_command(const PackArguments& a, const Output& output) {
  OmniglotImport import;
  import.inputs.assign(a.in.begin(), a.in.end());
  if (!a.vinyals.empty()) import.vinyals = a.vinyals;
  if (a.size) import.size = a.size;
  tell(output, pack_omniglot(import, a.out), a.out);
}

void pack_images_command(const PackArguments& a, const Output& output) {
  ImagesImport import{.input = a.in.at(0)};
  if (!a.split.empty()) import.split = a.split;
  if (a.size) import.size = a.size;
  import.channels = a.channels;
  tell(output, pack_images(import, a.out), a.out);
}

void pack_glyphs_command(const PackArguments& a, const Output& output) {
  tell(output, pack_glyphs(a.out), a.out);
}

}  // namespace metatape
