#include <fmt/format.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "engine/dump.h"
#include "engine/error.h"
#include "engine/io/sha256.h"
#include "meta/programs/fit_to_memory.h"
#include "meta/programs/task_chunks.h"
#include "meta/settings/recipe.h"
#include "meta/training/progress.h"
#include "meta/training/trainer.h"
#include "models/initialisation.h"
#include "tools/metatape/assemble.h"
#include "tools/metatape/command.h"
#include "tools/metatape/processes.h"

namespace metatape {
namespace {

std::atomic<bool> stop_asked{false};
static_assert(std::atomic<bool>::is_always_lock_free, "signal handlers may only touch such");

void ask_to_stop(int) { stop_asked = true; }

/// SIGHUP comes when a terminal is closed. A signal that whoever started the command has turned
/// off, as nohup does, stays off.
void stop_on_signals() {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP})
    if (std::signal(signal, ask_to_stop) == SIG_IGN) std::signal(signal, SIG_IGN);
}

Provenance provenance_of(const TrainArguments& a, const DataSet& data) {
  Provenance p{.recipe = a.run.recipe, .version = MT_VERSION, .data_path = "", .data_sha256 = ""};
  if (data.images) p.data_sha256 = data.images->digest();
  if (!data.path.empty()) p.data_path = std::filesystem::absolute(data.path).string();
  return p;
}

bool may_change(const std::string& key) {
  return key == "train.iterations" || key == "train.log_every" || key == "train.checkpoint_every" ||
         key == "train.validate_every" || key == "train.max_memory" || key == "outer.chunk" ||
         key == "inner.recompute" || key == "inner.hvp" || key.starts_with("eval.");
}

/// A resumed run keeps its settings; only how long, how often it writes, the memory it takes and
/// how it rounds sums may change. A key that is given several times has its last value.
Config resumed_config(const RunFolder& folder, const TrainArguments& a) {
  Config config = folder.config(), asked = config;
  for (const std::string& assignment : a.run.set) set_config(asked, assignment);
  for (const std::string& assignment : a.run.set) {
    const std::string key = assignment.substr(0, assignment.find('='));
    Config changed = config;
    set_config(changed, key, get_config(asked, key));
    if (!may_change(key) && to_json(changed) != to_json(config))
      fail(ErrorKind::usage, key,
           "a resumed run cannot change it: the result would be neither run; start a new one with "
           "another --out");
    config = changed;
  }
  return config;
}

void check_same_data(const RunFolder& folder, const DataSet& data) {
  const std::string& expected = folder.provenance().data_sha256;
  if (data.images && expected != data.images->digest())
    fail(ErrorKind::io, data.path, "its images have sha256 {}, the run was started with {}",
         data.images->digest(), expected);
}

/// What all ranks must have in common before they start. The tape and not the program: that knows
/// how many threads it has.
nlohmann::json common_start(const Config& config, const DataSet& data,
                            const TrainingPrograms& programs, const RunArguments& run) {
  Sha256 tapes;
  for (const TrainingPrograms::Stage& stage : programs.stages) tapes.update(dump(*stage.step.tape));
  return {{"program", build_digest()},
          {"device", run.device},
          {"data", data.images ? data.images->digest() : ""},
          {"settings", to_json(config)},
          {"tape", tapes.hex()}};
}

}  // namespace

void train_command(const TrainArguments& a, Processes& processes, const Output& output) {
  device_of(a.run.device);
  processes.join();
  const Ranks ranks = processes.ranks();
  const auto access = ranks.is_first() ? RunFolder::Access::train : RunFolder::Access::read;
  const bool resuming = a.resume && RunFolder::exists(a.out);
  std::optional<RunFolder> folder;
  Config config;
  std::string data_path = a.run.data;
  if (resuming) {
    folder = RunFolder::open(a.out, access);
    config = resumed_config(*folder, a);
    const Provenance& before = folder->provenance();
    if (data_path.empty()) data_path = before.data_path;
    if (a.recipe_given && before.recipe != a.run.recipe)
      fail(ErrorKind::usage, "--recipe",
           "{} was started with {}, found {}; drop --recipe to resume it", a.out, before.recipe,
           a.run.recipe);
  } else {
    config = a.run.resolve().config;
  }
  config = dealt_to_ranks(config, ranks.size());
  const Target target = processes.shared(a.run.target(config), a.run.threads == 0);
  const DataSet data = open_data(config, data_path);
  Workload workload = assemble(config, data);
  // A run that cannot start leaves no folder that stands in the way of the next try.
  const EpisodeInput input = episode_input(config, *workload.training, target);
  Fit fit = resuming
                ? Fit{config, record_training_programs(config, workload.model, input, target), {}}
                : fit_to_memory(config, workload.model, input, target);
  check_fit(fit, workload.model, input, target);
  config = workload.config = fit.config;
  const TrainingPrograms& programs = fit.programs;
  if (ranks.size() > 1) ranks.require_equal(common_start(config, data, programs, a.run));
  if (!fit.change.empty())
    output.say(fmt::format("train.max_memory={}: {}", config.train.max_memory, fit.change));
  if (resuming) {
    check_same_data(*folder, data);
    folder->set_config(config);
  } else {
    folder = RunFolder::create(a.out, config, provenance_of(a, data), access);
  }
  output.say(fmt::format("{}: {} parameters, {} tasks of {} a step, {}{} threads -> {}",
                         resuming ? "resuming" : a.run.recipe, workload.model.parameter_count(),
                         config.outer.tasks, workload.training->name(),
                         ranks.size() > 1 ? fmt::format("{} ranks with ", ranks.size()) : "",
                         target.threads, a.out));
  StateStore store;
  initialise(store, workload.model.parameters, precision_of(config), std::uint64_t(config.seed));
  stop_on_signals();
  const TrainResult r =
      train(workload, programs, std::move(store), *folder,
            {.target = target, .resume = resuming, .stop = &stop_asked, .ranks = ranks});
  if (r.stopped)
    output.say(
        fmt::format("stopped by a signal at iteration {}; saved. Continue: metatape train "
                    "--out {} --resume",
                    r.iterations, a.out));
  nlohmann::json result{{"iterations", r.iterations},
                        {"seconds", r.seconds},
                        {"loss", r.loss},
                        {"checkpoint", r.checkpoint.string()},
                        {"state_hash", r.state_hash},
                        {"stopped", r.stopped},
                        {"resumed", resuming},
                        {"device", a.run.device},
                        {"ranks", ranks.size()},
                        {"threads", target.threads},
                        {"arena_bytes", memory_need(programs).arena_bytes}};
  std::string text =
      fmt::format("{} iterations in {}, loss {:.4f}", r.iterations, clock_text(r.seconds), r.loss);
  if (workload.training->layout().kind == TaskKind::classification) {
    result["accuracy"] = 100 * r.score;
    text += fmt::format(", training accuracy {:.2f} %", 100 * r.score);
  }
  folder->write_result({{"train", result}});
  output.result(result, fmt::format("{}\ncheckpoint {}\nstate {}", text, r.checkpoint.string(),
                                    r.state_hash));
}

}  // namespace metatape
