#include "meta/data/class_split.h"

#include <algorithm>
#include <numeric>

#include "engine/io/sha256.h"
#include "kernels/common/philox.h"
#include "meta/data/name_list.h"

namespace metatape {

namespace {

constexpr std::uint64_t kShuffleSeed = 1;  // the seed of the MAML authors' own shuffle

PackedSplit cut(std::string name, std::span<const std::int32_t> order, PartSizes sizes) {
  const auto train = order.first(std::size_t(sizes.train));
  const auto validation = order.subspan(train.size(), std::size_t(sizes.validation));
  const auto test = order.subspan(train.size() + validation.size(), std::size_t(sizes.test));
  PackedSplit split{.name = std::move(name),
                    .train = {train.begin(), train.end()},
                    .validation = {validation.begin(), validation.end()},
                    .test = {test.begin(), test.end()}};
  for (auto* part : {&split.train, &split.validation, &split.test}) std::ranges::sort(*part);
  return split;
}

}  // namespace

PartSizes usual_part_sizes(std::int64_t classes) {
  PartSizes sizes{.train = (classes * 64 + 50) / 100, .validation = (classes * 16 + 50) / 100};
  sizes.validation = std::min(sizes.validation, classes - sizes.train);
  sizes.test = classes - sizes.train - sizes.validation;
  return sizes;
}

PackedSplit shuffled_split(std::string name, PartSizes sizes) {
  const auto classes = std::uint32_t(sizes.train + sizes.validation + sizes.test);
  std::vector<std::int32_t> order(classes);
  std::iota(order.begin(), order.end(), 0);
  kernels::RandomStream random(kShuffleSeed, kernels::RandomPurpose::class_split, 0, 0);
  for (std::uint32_t i = classes; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return cut(std::move(name), order, sizes);
}

PackedSplit name_hash_split(std::string name, std::span<const std::string> classes) {
  std::vector<std::string> hashes;
  for (const std::string& c : classes) hashes.push_back(Sha256().update(c).hex());
  std::vector<std::int32_t> order(classes.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](std::int32_t c) { return hashes[std::size_t(c)]; });
  return cut(std::move(name), order, usual_part_sizes(std::int64_t(classes.size())));
}

std::string unused_classes_note(const PackedSplit& split, std::span<const std::string> classes) {
  std::vector<bool> used(classes.size(), false);
  for (const auto* part : {&split.train, &split.validation, &split.test})
    for (std::int32_t c : *part) used[std::size_t(c)] = true;
  std::vector<std::string> unused;
  for (std::size_t c = 0; c < classes.size(); ++c)
    if (!used[c]) unused.push_back(classes[c]);
  if (unused.empty()) return {};
  return fmt::format("{} classes are in no part of split '{}': {}", unused.size(), split.name,
                     name_list(unused));
}

}  // namespace metatape
