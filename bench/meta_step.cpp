// meta_step: time and memory of one meta-step of training, with the settings that metatape takes.
// One JSON object on the last line of standard output. With --on-request it is one of several
// programs that take turns, and speaks as bench/peers/harness.py says.

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <iostream>
#include <optional>

#include "bench/given_step.h"
#include "bench/noise_set.h"
#include "bench/statistics.h"
#include "engine/error.h"
#include "engine/optim/optimizer.h"
#include "meta/programs/memory.h"
#include "meta/programs/programs.h"
#include "meta/programs/task_chunks.h"
#include "meta/settings/recipe.h"
#include "meta/training/episode_feed.h"
#include "models/initialisation.h"
#include "tools/metatape/assemble.h"
#include "tools/metatape/command.h"
#if MT_HAVE_CUDA
#include "engine/exec/cuda_executor.h"
#endif

namespace metatape::bench {
namespace {

struct BenchArguments {
  RunArguments run;
  Repetitions repetitions{.warm_up = 3, .seconds = 2};
  std::string step, costs;
  bool on_request = false;
};

/// Bytes taken on the device by all processes; 0 on the CPU.
std::int64_t device_bytes_taken(Device device) {
#if MT_HAVE_CUDA
  if (device == Device::cuda) {
    std::size_t available = 0, total = 0;
    check_cuda(cudaMemGetInfo(&available, &total), "asking for memory");
    return std::int64_t(total - available);
  }
#endif
  (void)device;
  return 0;
}

/// Nodes of the CUDA graph that is one meta-step; 0 on the CPU.
std::int64_t launches_of(const Executor& executor) {
#if MT_HAVE_CUDA
  if (const auto* cuda = dynamic_cast<const CudaExecutor*>(&executor))
    return std::int64_t(cuda->graph_nodes());
#endif
  (void)executor;
  return 0;
}

std::int64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t(usage.ru_maxrss) * 1024;  // Linux counts in KiB
}

/// Images for settings that need some and have no file: noise of the size that they assume.
DataSet open_or_draw(const Config& config, const std::string& path) {
  if (path.empty() && config.task.kind == "images") return {noise_set(config), "noise"};
  return open_data(config, path);
}

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

class MetaStep {
 public:
  MetaStep(const Config& config, const std::string& data_path, const Target& target)
      : target_(target),
        data_(open_or_draw(config, data_path)),
        workload_(assemble(config, data_)),
        begin_(Clock::now()),
        recorded_(record_training(config, workload_.model,
                                  episode_input(config, *workload_.training, target), target)),
        compile_ms_(milliseconds_since(begin_)),
        taken_before_(device_bytes_taken(target.device)) {
    initialise(store_, workload_.model.parameters, precision_of(config),
               std::uint64_t(config.seed));
    store_[kLearningRateState] = Tensor({}, precision_of(config));
    set_rate(config.outer.lr);
    executor_ = make_executor(recorded_.program, store_);
    episodes_.emplace(recorded_, *workload_.training, *executor_);
    episodes_->feed(0, 0, tasks_at_once(config));
  }

  /// One step from what the file gives, compared with its results. From then on every step repeats
  /// it: the rate is zero.
  nlohmann::json check(const std::string& path) {
    given_.emplace(path, workload_.model.parameters, precision_of(workload_.config));
    given_->write_parameters(store_);
    given_->write_episodes(*executor_, 0);
    time(1);
    executor_->read_states();
    const nlohmann::json agreement = given_->agreement(store_, loss_);
    given_->write_parameters(store_);
    given_->close_file();
    set_rate(0);
    return agreement;
  }

  /// Milliseconds of each of `steps` meta-steps in a row, the host waiting for the last one only.
  double time(int steps) {
    const auto begin = Clock::now();
    for (int k = 0; k < steps; ++k) step();
    collect();
    const double milliseconds = milliseconds_since(begin);
    if (!std::isfinite(loss_))
      fail(ErrorKind::numerical, "meta_step", "the loss is {}: what was timed is no training",
           loss_);
    return milliseconds / steps;
  }

  nlohmann::json measure(const Repetitions& repetitions) {
    const std::vector<double> waited = repeat(repetitions, [&] { return time(1); });
    nlohmann::json result = describe();
    result["ms"] = summary(waited);
    // Training enqueues steps_ahead(); half a second of steps shows the same, and soon enough.
    const double half_a_second = 500 / result["ms"]["median"].get<double>();
    const int ahead = std::clamp(int(half_a_second), 1, executor_->steps_ahead());
    if (ahead > 1) {
      result["ms_in_a_row"] =
          summary(repeat({.warm_up = 1, .least = 5, .most = 5}, [&] { return time(ahead); }));
      result["steps_in_a_row"] = ahead;
    }
    return result;
  }

  nlohmann::json describe() const {
    const Program& p = recorded_.program;
    const MemoryNeed need = memory_need(p);
    const char* images = data_.path == "noise" ? "noise" : data_.path.empty() ? "drawn" : "file";
    return {{"loss", loss_},
            {"compile_ms", compile_ms_},
            {"episodes", recorded_.draws_episodes ? "drawn in each step"
                         : recorded_.runs > 1     ? "fed before each chunk of tasks"
                                                  : "fed once, before timing"},
            {"runs", recorded_.runs},
            {"images", images},
            {"instructions", p.instruction_count()},
            {"launches", launches_of(*executor_)},
            {"flops", p.cost().flops},
            {"bytes_moved", p.cost().bytes},
            {"arena_bytes", need.arena_bytes},
            {"resident_bytes", need.resident_bytes},
            {"device_bytes", device_bytes_taken(target_.device) - taken_before_},
            {"host_peak_bytes", peak_resident_bytes()}};
  }

  /// A line "position op flops bytes" for each instruction that runs, in the order in which they
  /// run, so that the lines of MT_TRACE can be held against them.
  void write_costs(const std::string& path) const {
    std::ofstream out(path);
    const Graph& graph = recorded_.program.graph;
    for (const Node& node : graph.nodes) {
      if (!runs(op_def(node.op))) continue;
      const std::vector<ValueType> in = graph.input_types(node);
      const Cost cost = instruction_cost(node.op, {in, node.type, node.attr});
      out << fmt::format("{} {} {} {}\n", node.instruction, op_name(node.op), cost.flops,
                         cost.bytes);
    }
    if (!out) fail(ErrorKind::io, path, "cannot be written");
  }

 private:
  /// All chunks of tasks: the first is there already, and stays if it is the only one.
  void step() {
    const std::int64_t tasks = tasks_at_once(workload_.config);
    for (std::int64_t run = 0; run < recorded_.runs; ++run) {
      if (recorded_.runs > 1) feed(run * tasks, tasks);
      executor_->step();
    }
  }

  void feed(std::int64_t first_task, std::int64_t tasks) {
    if (!given_) return episodes_->feed(0, first_task, tasks);
    episodes_->tell(0, first_task);
    given_->write_episodes(*executor_, first_task);
  }

  /// The loss of the last step, which its last run has: chunks add up.
  void collect() { loss_ = executor_->collect().back().front(); }

  void set_rate(double rate) { store_.at(kLearningRateState).set_at(0, rate); }

  Target target_;
  DataSet data_;
  Workload workload_;
  Clock::time_point begin_;
  RecordedProgram recorded_;
  double compile_ms_;  ///< to record and compile
  std::int64_t taken_before_;
  StateStore store_;
  std::unique_ptr<Executor> executor_;
  std::optional<EpisodeFeed> episodes_;
  std::optional<GivenStep> given_;
  double loss_ = 0;
};

/// The numbers of an object, a line "key value" for each.
void print_numbers(const nlohmann::json& object) {
  for (const auto& [key, value] : object.items())
    if (value.is_number()) fmt::print("{} {}\n", key, value.dump());
}

/// Compares, says "ready", and then takes a step for each line that it is given.
void serve(MetaStep& step, const BenchArguments& a) {
  if (!a.step.empty()) print_numbers(step.check(a.step));
  print_numbers(step.describe());
  fmt::print("ready\n");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    fmt::print("step_ms {:.6f}\n", step.time(1));
    std::fflush(stdout);
  }
}

void run(const BenchArguments& a) {
  Config config = a.run.resolve().config;
  if (!a.step.empty()) GivenStep::use_gradient_descent(config);
  const Target target = a.run.target(config);
  require_device(target.device);
  MetaStep step(config, a.run.data, target);
  if (!a.costs.empty()) step.write_costs(a.costs);
  if (a.on_request) return serve(step, a);
  nlohmann::json result = step.measure(a.repetitions);
  result["recipe"] = a.run.recipe;
  result["settings"] = a.run.set;
  result["device"] = place_of(a.run.device);
  result["precision"] = config.train.precision;
  result["tasks"] = config.outer.tasks;
  result["threads"] = target.threads;
  fmt::print("{}\n", result.dump());
}

}  // namespace
}  // namespace metatape::bench

int main(int argc, char** argv) {
  metatape::bench::BenchArguments a;
  CLI::App app("Time and memory of one meta-step; see bench/README.md");
  app.add_option("--recipe", a.run.recipe, "name or JSON file")->capture_default_str();
  app.add_option("--data", a.run.data, "packed data set; without it images are noise");
  app.add_option("--set", a.run.set, "key=value; may be repeated")->allow_extra_args(false);
  app.add_option("--device", a.run.device, "cpu or cuda")->capture_default_str();
  app.add_option("--threads", a.run.threads, "cpu: 0: one per core")->capture_default_str();
  app.add_option("--least", a.repetitions.least, "meta-steps timed at least")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--seconds", a.repetitions.seconds, "timed at least")->capture_default_str();
  app.add_option("--warm-up", a.repetitions.warm_up, "meta-steps before")->capture_default_str();
  app.add_option("--step", a.step, "start from this file, and compare with its results");
  app.add_flag("--on-request", a.on_request, "a step for each line of standard input");
  app.add_option("--costs", a.costs, "file for flops and bytes of each instruction");
  CLI11_PARSE(app, argc, argv);
  try {
    metatape::bench::run(a);
  } catch (const metatape::Error& e) {
    fmt::print(stderr, "meta_step: {}\n", e.what());
    return metatape::exit_code(e.kind);
  }
  return 0;
}
