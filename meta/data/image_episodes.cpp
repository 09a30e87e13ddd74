#include "meta/data/image_episodes.h"

#include <fmt/format.h>

#include "engine/error.h"
#include "engine/ops.h"
#include "meta/data/rotate.h"

namespace metatape {

namespace {

constexpr std::uint32_t kQuarterTurns = 4;

const char* rotations_name(Rotations rotations) {
  switch (rotations) {
    case Rotations::none:
      return "none";
    case Rotations::per_task:
      return "per task";
    case Rotations::as_classes:
      return "as classes";
  }
  return "?";
}

std::int64_t count(const std::vector<std::int64_t>& extents) {
  std::int64_t n = 1;
  for (std::int64_t extent : extents) n *= extent;
  return n;
}

void gather(const PackedSet& set, const std::vector<ImageChoice>& images, float* x) {
  for (const ImageChoice& choice : images) {
    rotate_to_floats(set.image(choice.class_index, choice.image), set.width(), set.channels(),
                     choice.rotation, x);
    x += set.header().image_bytes();
  }
}

/// 0, .., 0, 1, .., 1, ..: `each` times every label, for every task.
void fill_labels(std::int64_t tasks, std::int64_t ways, std::int64_t each,
                 std::vector<std::int32_t>& labels) {
  labels.resize(std::size_t(tasks * ways * each));
  for (std::size_t i = 0; i < labels.size(); ++i)
    labels[i] = std::int32_t(std::int64_t(i) / each % ways);
}

kernels::Turns turns_of(Rotations rotations) {
  switch (rotations) {
    case Rotations::per_task:
      return kernels::Turns::per_group;
    case Rotations::as_classes:
      return kernels::Turns::as_groups;
    case Rotations::none:
      break;
  }
  return kernels::Turns::none;
}

constexpr const char* kImages = "episodes/images";
constexpr const char* kClasses = "episodes/classes";
constexpr const char* kSupportLabels = "episodes/support_y";
constexpr const char* kQueryLabels = "episodes/query_y";

}  // namespace

ImageEpisodes::ImageEpisodes(std::shared_ptr<const PackedSet> set, ImageEpisodesOptions options)
    : set_(std::move(set)), options_(std::move(options)) {
  if (options_.scheme.empty()) options_.scheme = set_->default_scheme();
  classes_ = set_->split(options_.scheme, options_.part);
  check();
  const ImageEpisodesOptions& o = options_;
  const std::int64_t H = set_->height(), W = set_->width(), C = set_->channels();
  layout_ = {.kind = TaskKind::classification,
             .ways = o.ways,
             .support_x = {o.ways * o.shots, H, W, C},
             .query_x = {o.ways * o.queries, H, W, C}};
  name_ = fmt::format("{} {}, {}/{}: {}-way {}-shot, {} queries per class, rotations {}",
                      set_->header().kind, set_->digest().substr(0, 16), o.scheme, o.part, o.ways,
                      o.shots, o.queries, rotations_name(o.rotations));
  for (std::int32_t c : classes_) {
    const PackedClass& of = set_->header().classes[std::size_t(c)];
    class_table_.insert(class_table_.end(), {std::int32_t(of.first), std::int32_t(of.count)});
  }
  fill_labels(1, o.ways, o.shots, support_labels_);
  fill_labels(1, o.ways, o.queries, query_labels_);
}

std::uint32_t ImageEpisodes::pool_size() const {
  const bool are_classes = options_.rotations == Rotations::as_classes;
  return std::uint32_t(classes_.size()) * (are_classes ? kQuarterTurns : 1);
}

void ImageEpisodes::check() const {
  const ImageEpisodesOptions& o = options_;
  if (o.ways < 1 || o.shots < 1 || o.queries < 1)
    fail(ErrorKind::usage, "episodes", "ways {}, shots {}, queries {}: each must be at least 1",
         o.ways, o.shots, o.queries);
  if (classes_.empty())
    fail(ErrorKind::usage, "episodes",
         "part '{}' of split '{}' has no classes; use another part, "
         "or pack with a split that fills it",
         o.part, o.scheme);
  if (o.ways > pool_size())
    fail(ErrorKind::usage, "episodes",
         "{}-way tasks need {} classes, part '{}' of split '{}' has {}; lower task.ways or use "
         "another split",
         o.ways, o.ways, o.part, o.scheme, pool_size());
  const char* const settings = o.part == "train" ? "task" : "eval";
  for (std::int32_t c : classes_) {
    const std::int64_t found = set_->class_images(c);
    if (o.shots > found || o.queries > found - o.shots)
      fail(ErrorKind::usage, "episodes",
           "class '{}' has {} images, {} shots and {} queries need more; lower {}.shots or "
           "{}.queries, or leave the class out of the split",
           set_->class_name(c), found, o.shots, o.queries, settings, settings);
  }
  if (o.rotations != Rotations::none && set_->height() != set_->width())
    fail(ErrorKind::usage, "episodes",
         "images are {} x {}; rotations need square ones: set data.rotations to none or pack the "
         "images square",
         set_->height(), set_->width());
}

ImageTask ImageEpisodes::choose(std::uint32_t iteration, std::uint32_t task) const {
  const ImageEpisodesOptions& o = options_;
  const auto shots = std::uint32_t(o.shots), images = std::uint32_t(o.shots + o.queries);
  kernels::RandomStream random(o.seed, o.purpose, iteration, task);
  std::vector<std::uint32_t> ways(std::size_t(o.ways)), drawn(images);
  kernels::draw_distinct(random, pool_size(), std::uint32_t(o.ways), ways.data());
  ImageTask chosen;
  for (std::uint32_t way : ways) {
    ImageChoice choice;
    if (o.rotations == Rotations::as_classes) {
      choice.rotation = way % kQuarterTurns;
      way /= kQuarterTurns;
    } else if (o.rotations == Rotations::per_task) {
      choice.rotation = random.below(kQuarterTurns);
    }
    choice.class_index = std::uint32_t(classes_[way]);
    const auto available = std::uint32_t(set_->class_images(choice.class_index));
    kernels::draw_distinct(random, available, images, drawn.data());
    for (std::uint32_t i = 0; i < images; ++i) {
      choice.image = drawn[i];
      (i < shots ? chosen.support : chosen.query).push_back(choice);
    }
  }
  return chosen;
}

void ImageEpisodes::draw(std::uint32_t iteration, std::uint32_t first_task, std::uint32_t tasks,
                         EpisodeBatch& batch) const {
  const auto support = std::size_t(count(layout_.support_x));
  const auto query = std::size_t(count(layout_.query_x));
  batch.tasks = tasks;
  batch.support_x.resize(tasks * support);
  batch.query_x.resize(tasks * query);
  batch.support_target.clear();
  batch.query_target.clear();
  fill_labels(tasks, options_.ways, options_.shots, batch.support_y);
  fill_labels(tasks, options_.ways, options_.queries, batch.query_y);
  for (std::uint32_t t = 0; t < tasks; ++t) {
    const ImageTask chosen = choose(iteration, first_task + t);
    gather(*set_, chosen.support, &batch.support_x[t * support]);
    gather(*set_, chosen.query, &batch.query_x[t * query]);
  }
}

std::vector<std::uint32_t> ImageEpisodes::provenance(std::uint32_t iteration,
                                                     std::uint32_t task) const {
  const ImageTask chosen = choose(iteration, task);
  std::vector<std::uint32_t> words;
  for (const auto* images : {&chosen.support, &chosen.query})
    for (const ImageChoice& c : *images)
      words.insert(words.end(), {c.class_index, c.image, c.rotation});
  return words;
}

EpisodeVars ImageEpisodes::record(Tape& tape, Var iteration, Var first_task, std::int64_t tasks,
                                  DType dtype) const {
  const ImageEpisodesOptions& o = options_;
  const Scope scope(tape, "episodes");
  const Var images = tape.input(
      kImages, {set_->header().image_count(), set_->height(), set_->width(), set_->channels()},
      DType::u8);
  const Var classes = tape.input(kClasses, {std::int64_t(classes_.size()), 2}, DType::i32);
  const Var drawn = draw_members(iteration, first_task, classes,
                                 {.tasks = tasks,
                                  .groups = o.ways,
                                  .members = o.shots + o.queries,
                                  .turns = turns_of(o.rotations),
                                  .seed = o.seed,
                                  .purpose = o.purpose});
  auto examples = [&](std::int64_t first, std::int64_t each) {
    const Var part = slice(drawn, 1, first, first + each);
    return gather_images(images, reshape(part, {o.ways * each, 2}), dtype);
  };
  return {examples(0, o.shots), tape.input(kSupportLabels, {o.ways * o.shots}, DType::i32),
          examples(o.shots, o.queries), tape.input(kQueryLabels, {o.ways * o.queries}, DType::i32)};
}

std::vector<ResidentInput> ImageEpisodes::resident() const {
  return {{kImages, std::as_bytes(set_->images())},
          {kClasses, std::as_bytes(std::span(class_table_))},
          {kSupportLabels, std::as_bytes(std::span(support_labels_))},
          {kQueryLabels, std::as_bytes(std::span(query_labels_))}};
}

}  // namespace metatape
