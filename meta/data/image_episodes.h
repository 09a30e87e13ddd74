#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/common/philox.h"
#include "meta/data/episode_source.h"
#include "meta/data/packed_set.h"

namespace metatape {

/// What is done with the multiples of 90 degrees.
enum class Rotations {
  none,
  per_task,    ///< one random rotation per class and task (Finn et al. 2017)
  as_classes,  ///< the four rotations of a class are four classes (Vinyals et al. 2016)
};

struct ImageEpisodesOptions {
  std::string scheme = {};  ///< empty: the set's default split
  std::string part = "train";
  std::int64_t ways = 5, shots = 1, queries = 1;  ///< shots and queries per class
  Rotations rotations = Rotations::none;
  std::uint64_t seed = 0;
  kernels::RandomPurpose purpose = kernels::RandomPurpose::training_episodes;
};

/// One image of a task.
struct ImageChoice {
  std::uint32_t class_index = 0;  ///< in the packed set
  std::uint32_t image = 0;        ///< within its class
  std::uint32_t rotation = 0;     ///< quarter turns, counter-clockwise
};

struct ImageTask {
  std::vector<ImageChoice> support, query;  ///< class-major: label = position / shots (or queries)
};

/// N-way K-shot tasks from one part of a packed set: classes without replacement, then for each
/// class its rotation and shots + queries distinct images.
/// Errors: usage: an empty part, more ways than classes, a class with too few images (named, with
/// the numbers), rotations of images that are not square, unknown scheme or part.
class ImageEpisodes final : public EpisodeSource {
 public:
  ImageEpisodes(std::shared_ptr<const PackedSet>, ImageEpisodesOptions);

  const EpisodeLayout& layout() const override { return layout_; }
  const std::string& name() const override { return name_; }
  void draw(std::uint32_t iteration, std::uint32_t first_task, std::uint32_t tasks,
            EpisodeBatch&) const override;
  /// (class, image, rotation) of every support image, then of every query image.
  std::vector<std::uint32_t> provenance(std::uint32_t iteration, std::uint32_t task) const override;

  bool can_record() const override { return true; }
  EpisodeVars record(Tape&, Var iteration, Var first_task, std::int64_t tasks,
                     DType dtype) const override;
  /// All images of the set, where the classes of the part begin and end in it, and the labels,
  /// which all tasks share.
  std::vector<ResidentInput> resident() const override;

  /// The images of one task: all that a device with a resident set needs to know.
  ImageTask choose(std::uint32_t iteration, std::uint32_t task) const;

 private:
  void check() const;
  std::uint32_t pool_size() const;  ///< classes to draw from, rotations counted

  std::shared_ptr<const PackedSet> set_;
  ImageEpisodesOptions options_;
  std::span<const std::int32_t> classes_;
  EpisodeLayout layout_;
  std::string name_;
  std::vector<std::int32_t> class_table_;  ///< [classes of the part, 2]: first image, images
  std::vector<std::int32_t> support_labels_, query_labels_;  ///< of one task
};

}  // namespace metatape
