#pragma once

#include <memory>

#include "engine/model.h"
#include "meta/data/episode_source.h"
#include "meta/settings/config.h"

namespace metatape {

/// What a run works on: its settings, network, and where episodes come from.
struct Workload {
  Config config;
  Model model;
  std::shared_ptr<const EpisodeSource> training, validation;  ///< validation may be null
};

}  // namespace metatape
