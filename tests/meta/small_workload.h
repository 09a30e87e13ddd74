#pragma once

// Small runs for the tests of the trainer and the evaluation.

#include <memory>
#include <random>

#include "meta/data/image_episodes.h"
#include "meta/data/sinusoid_episodes.h"
#include "meta/programs/programs.h"
#include "meta/training/workload.h"
#include "models/conv4.h"
#include "models/initialisation.h"
#include "models/mlp.h"

namespace metatape {

/// Sinusoids and a network of two layers; log lines, validations and checkpoints do not coincide.
inline Config sinusoid_config() {
  Config c;
  c.task = {.kind = "sinusoid", .ways = 1, .shots = 5, .queries = 4};
  c.model.name = "mlp";
  c.model.width = 8;
  c.inner = {.steps = 2, .test_steps = 3, .lr = 0.01};
  c.outer.lr = 0.01;
  c.outer.tasks = 3;
  c.train.iterations = 10;
  c.train.log_every = 3;
  c.train.checkpoint_every = 4;
  c.train.validate_every = 5;
  c.eval.tasks = 7;
  c.seed = 3;
  return c;
}

inline Workload sinusoid_workload(const Config& c) {
  using kernels::RandomPurpose;
  auto source = [&](RandomPurpose purpose) {
    return std::make_shared<SinusoidEpisodes>(SinusoidEpisodesOptions{.shots = c.task.shots,
                                                                      .queries = c.task.queries,
                                                                      .seed = std::uint64_t(c.seed),
                                                                      .purpose = purpose});
  };
  return {.config = c,
          .model = make_mlp({.hidden = {c.model.width, c.model.width}}),
          .training = source(RandomPurpose::training_episodes),
          .validation = source(RandomPurpose::validation_episodes)};
}

/// 16 x 16 noise: 6 classes of 4 images, all in the training part.
inline Workload image_workload() {
  PackedHeader header{.kind = "noise", .height = 16, .width = 16, .channels = 1, .scale = "noise"};
  PackedSplit split{.name = "all"};
  for (std::int32_t c = 0; c < 6; ++c) {
    header.classes.push_back({.name = "class" + std::to_string(c), .first = c * 4, .count = 4});
    split.train.push_back(c);
  }
  header.splits = {split};
  std::mt19937 random(1);
  std::vector<std::uint8_t> pixels(6 * 4 * 16 * 16);
  for (std::uint8_t& pixel : pixels) pixel = std::uint8_t(random());
  const auto set = std::make_shared<PackedSet>(PackedSet::in_memory(header, pixels));

  Config c;
  c.task = {.kind = "images", .ways = 3, .shots = 1, .queries = 2};
  c.model.width = 4;
  c.outer.tasks = 4;
  return {.config = c,
          .model = make_conv4({.height = 16, .width = 16, .classes = 3, .filters = 4}),
          .training = std::make_shared<ImageEpisodes>(
              set, ImageEpisodesOptions{.ways = 3, .shots = 1, .queries = 2, .seed = 5}),
          .validation = nullptr};
}

inline StateStore initial_state(const Workload& w) {
  StateStore store;
  initialise(store, w.model.parameters, precision_of(w.config), std::uint64_t(w.config.seed));
  return store;
}

}  // namespace metatape
