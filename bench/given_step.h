#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/exec/executor.h"
#include "engine/io/safetensors.h"
#include "engine/params.h"
#include "meta/settings/config.h"

namespace metatape::bench {

/// A meta-step in a file: parameters, episodes, and the losses and gradients that somebody else
/// computed from them in double (bench/peers/step_file.py).
///
/// The program of training fetches no gradient, and it is the one to check, because it is timed. So
/// it takes a step of plain gradient descent at a rate so large that the new parameters are the
/// gradient: g = (theta - theta') / rate, to the rounding of theta' alone.
class GivenStep {
 public:
  /// Holds the episodes in the precision of a run.
  GivenStep(const std::string& path, std::vector<Parameter> parameters, DType precision);

  static void use_gradient_descent(Config&);

  /// theta as in the file, in the precision of the store's.
  void write_parameters(StateStore&) const;
  /// As many tasks as the program takes, from first_task on.
  void write_episodes(Executor&, std::int64_t first_task) const;

  /// After one committed step from there: how far the result is from the file's. As the peers
  /// (bench/peers/harness.py): loss_max_relative, meta_grad_nmse, meta_grad_max_relative.
  nlohmann::json agreement(const StateStore& after, double mean_loss) const;

  /// Gives back what the file takes: from here on there are episodes only.
  void close_file() { file_.reset(); }

 private:
  std::optional<SafetensorsFile> file_;
  std::int64_t tasks_;
  std::vector<Parameter> parameters_;
  std::map<std::string, Tensor> episodes_;  ///< T x [...], by the name of the input
};

}  // namespace metatape::bench
