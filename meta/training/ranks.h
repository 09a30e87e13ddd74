#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/target.h"

namespace metatape {

/// An error that all ranks of a run throw alike: its text says which rank it comes from.
struct SharedError : Error {
  using Error::Error;
};

/// The processes of a run as one of them sees them, and what they tell each other beside their
/// programs. Every rank makes the same calls in the same order; one that is alone tells itself.
class Ranks {
 public:
  Ranks() = default;
  /// `communicator`, for host memory, must outlive the object and its copies.
  explicit Ranks(kernels::Communicator& communicator) : communicator_(&communicator) {}

  int rank() const { return communicator_ ? communicator_->rank() : 0; }
  int size() const { return communicator_ ? communicator_->size() : 1; }
  /// The one that writes files and prints.
  bool is_first() const { return rank() == 0; }
  /// "rank 2 of 4"
  std::string name_of(int rank) const;

  /// The bits that some rank gives.
  unsigned any(unsigned bits) const;
  /// What each rank gives, by rank.
  std::vector<std::string> texts(const std::string& own) const;
  /// The same for equally many numbers.
  std::vector<std::vector<double>> numbers(const std::vector<double>& own) const;

  /// Errors: usage, shared, naming the first rank that gives another object than rank 0, and what
  /// differs.
  void require_equal(const nlohmann::json& own) const;

 private:
  kernels::Communicator* communicator_ = nullptr;
};

}  // namespace metatape
