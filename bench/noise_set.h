#pragma once

#include <fmt/format.h>

#include <memory>

#include "kernels/common/philox.h"
#include "meta/data/packed_set.h"
#include "meta/settings/config.h"

namespace metatape::bench {

/// Images of noise, of the size and for the tasks that the settings ask for: the time of a
/// meta-step does not depend on what is to be seen. A third of the classes for each part.
inline std::shared_ptr<const PackedSet> noise_set(const Config& c) {
  PackedHeader header{.kind = "images",
                      .height = c.data.height,
                      .width = c.data.width,
                      .channels = c.data.channels,
                      .scale = "noise"};
  PackedSplit split{.name = c.data.split.empty() ? "noise" : c.data.split};
  const std::int64_t of_class = c.task.shots + c.task.queries, of_part = 2 * c.task.ways;
  for (std::int64_t k = 0; k < 3 * of_part; ++k) {
    header.classes.push_back({fmt::format("{}", k), k * of_class, of_class});
    (k < of_part       ? split.train
     : k < 2 * of_part ? split.validation
                       : split.test)
        .push_back(std::int32_t(k));
  }
  header.splits = {split};
  std::vector<std::uint8_t> images(std::size_t(header.image_count() * header.image_bytes()));
  kernels::RandomStream random(0, kernels::RandomPurpose::initialisation, 0, 0);
  for (std::uint8_t& value : images) value = std::uint8_t(256 * random.uniform());
  return std::make_shared<PackedSet>(PackedSet::in_memory(std::move(header), std::move(images)));
}

}  // namespace metatape::bench
