#pragma once

// From settings to the pieces of a run: network, data set, episodes.

#include <memory>
#include <optional>
#include <string>

#include "meta/data/packed_set.h"
#include "meta/training/workload.h"

namespace metatape {

/// The images a configuration works on; nothing for sinusoids.
struct DataSet {
  std::shared_ptr<const PackedSet> images;
  std::string path;  ///< empty for what is drawn in memory
};

/// Opens `path`, or draws the glyphs. Errors: usage, if images are needed and no file is named.
DataSet open_data(const Config&, const std::string& path);

/// Episodes of one part: training ones have task.shots and
/// task.queries per class, the others eval.shots and eval.queries.
std::shared_ptr<const EpisodeSource> make_episodes(const Config&, const DataSet&,
                                                   const std::string& part, std::uint64_t seed);

/// The network for images of that size (or for sinusoids), with what the method learns beside it.
Model make_model(const Config&, const DataSet&);

/// All of a training run.
Workload assemble(const Config&, const DataSet&);

}  // namespace metatape
