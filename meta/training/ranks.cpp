#include "meta/training/ranks.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace metatape {

std::string Ranks::name_of(int rank) const { return fmt::format("rank {} of {}", rank, size()); }

unsigned Ranks::any(unsigned bits) const {
  if (size() == 1) return bits;
  std::vector<unsigned> all(unsigned(size()), 0u);
  communicator_->gather_blocks(&bits, all.data(), 1, sizeof bits, nullptr);
  for (const unsigned of_rank : all) bits |= of_rank;
  return bits;
}

std::vector<std::vector<double>> Ranks::numbers(const std::vector<double>& own) const {
  if (size() == 1) return {own};
  const std::size_t count = own.size();
  std::vector<double> all(count * std::size_t(size()));
  communicator_->gather_blocks(own.data(), all.data(), std::int64_t(count), sizeof(double),
                               nullptr);
  std::vector<std::vector<double>> by_rank;
  for (auto from = all.begin(); int(by_rank.size()) < size(); from += std::ptrdiff_t(count))
    by_rank.emplace_back(from, from + std::ptrdiff_t(count));
  return by_rank;
}

std::vector<std::string> Ranks::texts(const std::string& own) const {
  if (size() == 1) return {own};
  std::vector<std::size_t> lengths;
  for (const auto& length : numbers({double(own.size())}))
    lengths.push_back(std::size_t(length[0]));
  const std::size_t words = *std::max_element(lengths.begin(), lengths.end()) / 8 + 1;
  std::string block = own;
  block.resize(8 * words);
  std::string all(8 * words * std::size_t(size()), '\0');
  communicator_->gather_blocks(block.data(), all.data(), std::int64_t(words), 8, nullptr);
  std::vector<std::string> by_rank;
  for (const std::size_t length : lengths)
    by_rank.push_back(all.substr(8 * words * by_rank.size(), length));
  return by_rank;
}

void Ranks::require_equal(const nlohmann::json& own) const {
  using nlohmann::json;
  const std::vector<std::string> all = texts(own.dump());
  const json first = json::parse(all[0]).flatten();
  for (int r = 1; r < size(); ++r) {
    const json other = json::parse(all[std::size_t(r)]).flatten();
    for (const auto& [path, expected] : first.items()) {
      const json found = other.value(path, json());
      if (found == expected) continue;
      std::string name = path.substr(1);
      std::replace(name.begin(), name.end(), '/', '.');
      throw SharedError(
          ErrorKind::usage, "ranks",
          fmt::format("{} differs from rank 0 in {}: found {}, rank 0 has {}; start all ranks with "
                      "the same program, settings and files",
                      name_of(r), name, found.dump(), expected.dump()));
    }
  }
}

}  // namespace metatape
