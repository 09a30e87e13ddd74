#include "tools/metatape/assemble.h"

#include <cmath>

#include "meta/adapt/closed_form.h"
#include "meta/adapt/kernel_width.h"
#include "meta/data/glyphs.h"
#include "meta/data/image_episodes.h"
#include "meta/data/sinusoid_episodes.h"
#include "meta/method/compose.h"
#include "models/conv4.h"
#include "models/initialisation.h"
#include "models/mlp.h"
#include "models/resnet12.h"

namespace metatape {
namespace {

kernels::RandomPurpose purpose_of(const std::string& part) {
  if (part == "train") return kernels::RandomPurpose::training_episodes;
  if (part == "validation" || part == "val") return kernels::RandomPurpose::validation_episodes;
  return kernels::RandomPurpose::test_episodes;
}

Rotations rotations_of(const Config& c) {
  if (c.data.rotations == "per_task") return Rotations::per_task;
  if (c.data.rotations == "as_classes") return Rotations::as_classes;
  return Rotations::none;
}

/// The published proportions, from the channels of the first block.
std::array<std::int64_t, 4> resnet12_widths(const Config::Model& c) {
  const std::int64_t w = c.width;
  if (c.widths == "64-160-320-640") return {w, 5 * w / 2, 5 * w, 10 * w};
  return {w, 2 * w, 4 * w, 8 * w};
}

Model make_network(const Config& c, const DataSet& data) {
  if (c.model.name == "mlp")
    return make_mlp({.inputs = 1,
                     .outputs = 1,
                     .hidden = {c.model.width, c.model.width},
                     .weight_deviation = c.model.init_deviation,
                     .context = c.model.context});
  const PackedSet* images = data.images.get();
  const std::int64_t height = images ? images->height() : c.data.height;
  const std::int64_t width = images ? images->width() : c.data.width;
  const std::int64_t channels = images ? images->channels() : c.data.channels;
  if (c.model.name == "resnet12")
    return make_resnet12({.height = height,
                          .width = width,
                          .channels = channels,
                          .classes = c.task.ways,
                          .widths = resnet12_widths(c.model),
                          .batch_norm_epsilon = c.model.batch_norm_epsilon,
                          .head_deviation = c.model.head_deviation});
  return make_conv4(
      {.height = height,
       .width = width,
       .channels = channels,
       .classes = c.task.ways,
       .filters = c.model.width,
       .downsampling = c.model.pool == "max" ? Downsampling::max : Downsampling::stride,
       .batch_norm_epsilon = c.model.batch_norm_epsilon,
       .head_deviation = c.model.head_deviation,
       .context = c.model.context});
}

/// The kernel starts as wide as the features of the first batch are apart.
void start_from_median_width(Workload& w) {
  StateStore initial;
  initialise(initial, w.model.parameters, DType::f64, std::uint64_t(w.config.seed));
  const double sigma = median_kernel_width(w.model, *w.training, w.config.outer.tasks, initial);
  for (Parameter& p : w.model.parameters)
    if (p.name == kLogKernelWidth) p.init.scale = std::log(sigma);
}

}  // namespace

DataSet open_data(const Config& config, const std::string& path) {
  if (config.task.kind == "sinusoid") {
    if (!path.empty())
      fail(ErrorKind::usage, "--data",
           "sinusoid tasks are drawn, they read no file; drop --data {}", path);
    return {};
  }
  if (!path.empty()) return {std::make_shared<PackedSet>(PackedSet::open(path)), path};
  if (config.task.kind == "glyphs") return {std::make_shared<PackedSet>(draw_glyphs()), ""};
  fail(ErrorKind::usage, "--data",
       "this recipe needs images: pack them once (metatape pack omniglot --in "
       "images_background.zip --in images_evaluation.zip --out omniglot.mtd) and give --data FILE");
}

std::shared_ptr<const EpisodeSource> make_episodes(const Config& c, const DataSet& data,
                                                   const std::string& part, std::uint64_t seed) {
  const std::int64_t shots = part != "train" && c.eval.shots ? c.eval.shots : c.task.shots;
  const std::int64_t queries = part != "train" && c.eval.queries ? c.eval.queries : c.task.queries;
  if (c.task.kind == "sinusoid")
    return std::make_shared<SinusoidEpisodes>(SinusoidEpisodesOptions{
        .shots = shots, .queries = queries, .seed = seed, .purpose = purpose_of(part)});
  return std::make_shared<ImageEpisodes>(data.images,
                                         ImageEpisodesOptions{.scheme = c.data.split,
                                                              .part = part,
                                                              .ways = c.task.ways,
                                                              .shots = shots,
                                                              .queries = queries,
                                                              .rotations = rotations_of(c),
                                                              .seed = seed,
                                                              .purpose = purpose_of(part)});
}

Model make_model(const Config& c, const DataSet& data) {
  return with_method_parameters(make_network(c, data), compose(c));
}

Workload assemble(const Config& config, const DataSet& data) {
  check_config(config);
  const auto seed = std::uint64_t(config.seed);
  Workload w{.config = config,
             .model = make_model(config, data),
             .training = make_episodes(config, data, "train", seed),
             .validation = config.train.validate_every
                               ? make_episodes(config, data, "validation", seed)
                               : nullptr};
  if (config.inner.solver == "rbf_ridge" && config.head.sigma == 0) start_from_median_width(w);
  return w;
}

}  // namespace metatape
