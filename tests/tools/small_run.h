#pragma once

#include "tests/tools/command.h"

namespace metatape {

/// 3-way tasks on the small set with a tiny network: some milliseconds per iteration.
inline Arguments small_settings() {
  return Arguments{"--data", "small.mtd"} +
         settings({"task.kind=images", "task.ways=3", "task.queries=2", "model.width=4",
                   "outer.tasks=3", "train.log_every=3", "train.checkpoint_every=4"});
}

/// A workplace with small.mtd and short ways to train on it.
class SmallRun : public Workplace {
 public:
  SmallRun() { write_small_set(path("small.mtd")); }

  static Arguments train(const std::string& out, const std::vector<std::string>& more = {}) {
    return Arguments{"train", "--out", out} + small_settings() + settings(more);
  }
  static Arguments resume(const std::string& out, const std::vector<std::string>& more = {}) {
    return Arguments{"train", "--out", out, "--resume"} + settings(more);
  }
  /// Its hash after the given settings.
  std::string hash_of(const Arguments& arguments) const {
    return result_of(arguments).value("state_hash", "");
  }
};

}  // namespace metatape
