#pragma once

// The subcommands as functions of plain arguments. main.cpp alone knows the command-line library.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engine/target.h"

namespace metatape {

struct Config;
class Processes;
struct Recipe;

/// From --device. Errors: usage, for another name; device, if the build has no CUDA. Whether the
/// machine has a GPU is asked by require_device().
Device device_of(const std::string& name);
/// Where to run; threads 0: one per core. Errors: usage, for a train.precision that it lacks.
Target target_of(Device, int threads, const Config&);
/// device, if the build has no CUDA. Whether the machine has a GPU is asked by require_device().
Target target_of(const std::string& device, int threads, const Config&);

/// Standard output belongs to results, standard error to people. With --json the last line of
/// standard output is one JSON object.
class Output {
 public:
  bool json = false;
  bool quiet = false;  ///< nothing is said: another process of the same command speaks

  /// For people: one line on standard error.
  void say(const std::string& line) const;
  /// The result: with --json as JSON, else as the given text on standard output. Errors: io, if it
  /// cannot be written there.
  void result(const nlohmann::json& object, const std::string& text) const;
};

struct PackArguments {
  std::vector<std::string> in;
  std::string out, split, vinyals;
  std::int64_t size = 0, channels = 3;  ///< size 0: the set's usual one
};
void pack_omniglot_command(const PackArguments&, const Output&);
void pack_images_command(const PackArguments&, const Output&);
void pack_glyphs_command(const PackArguments&, const Output&);

/// What every command that runs a program takes.
struct RunArguments {
  std::string recipe = "glyphs-5w1s-maml", data, device = "cpu";
  std::vector<std::string> set;
  int threads = 0;  ///< 0: one per core

  /// Recipe plus --set, checked.
  Recipe resolve() const;
  Target target(const Config&) const;
};

struct TrainArguments {
  RunArguments run;
  std::string out;
  bool resume = false, recipe_given = false;
};
void train_command(const TrainArguments&, Processes&, const Output&);

struct EvalArguments {
  std::string run, data, split = "test", device = "cpu";
  std::vector<std::string> set;
  std::int64_t tasks = 0, seed = -1;  ///< 0, -1: the run's
  int threads = 0;
};
void eval_command(const EvalArguments&, Processes&, const Output&);

struct PredictArguments {
  std::string run, data, support, query, out, device = "cpu";
  std::vector<std::string> set;
  int threads = 0;
};
void predict_command(const PredictArguments&, const Output&);

struct ReportArguments {
  std::vector<std::string> runs;
  std::string out;
};
void report_command(const ReportArguments&, const Output&);

struct PlanArguments {
  RunArguments run;
  bool listing = false;
  int ranks = 1;
  double latency = 0, bandwidth = 0;  ///< between ranks: us, GB/s
  double step_time = 0;               ///< ms of a meta-step on one rank; 0: not known
};
void plan_command(const PlanArguments&, const Output&);

struct StepArguments {
  RunArguments run;
  std::string dump, dtype;
};
void step_command(const StepArguments&, const Output&);

void info_command(const std::string& path, const Output&);
void recipes_command(const Output&);
void algorithms_command(const Output&);
void settings_command(const Output&);

}  // namespace metatape
