#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "meta/training/evaluation.h"
#include "meta/training/run_folder.h"
#include "tools/metatape/assemble.h"
#include "tools/metatape/command.h"
#include "tools/metatape/processes.h"

namespace metatape {
namespace {

std::string text_of(const nlohmann::json& j) {
  if (!j.contains("accuracy"))
    return fmt::format("error {:.4f} +- {:.4f} ({} tasks, {} points, {} inner steps, {})",
                       j["loss"].get<double>(), j["loss_ci95"].get<double>(), j["tasks"].get<int>(),
                       j["shots"].get<int>(), j["inner_steps"].get<int>(),
                       j["precision"].get<std::string>());
  return fmt::format(
      "accuracy {:.2f} +- {:.2f} % ({} {} tasks, {}-way {}-shot, {} queries per class, {} inner "
      "steps, {} batch norm, {})",
      j["accuracy"].get<double>(), j["ci95"].get<double>(), j["tasks"].get<int>(),
      j["split"].get<std::string>(), j["ways"].get<int>(), j["shots"].get<int>(),
      j["queries"].get<int>(), j["inner_steps"].get<int>(), j["protocol"].get<std::string>(),
      j["precision"].get<std::string>());
}

/// What makes the evaluation another one than that of the run's own data and protocol.
std::string name_of(const std::string& split, const Config& config, const DataSet& data,
                    const RunFolder& folder) {
  std::string name = split;
  if (data.images && data.images->digest() != folder.provenance().data_sha256)
    name += " on " + std::filesystem::path(data.path).stem().string();
  if (config.eval.protocol != folder.config().eval.protocol) name += ", " + config.eval.protocol;
  return name;
}

/// A run that others may only read is evaluated all the same.
void keep(RunFolder& folder, const std::string& name, const nlohmann::json& result,
          const Output& output) try {
  folder.add_evaluation(name, result);
} catch (const Error& e) {
  output.say(fmt::format("warning: not recorded in the run: {}", e.what()));
}

}  // namespace

void eval_command(const EvalArguments& a, Processes& processes, const Output& output) {
  const Device device = device_of(a.device);
  processes.join();
  const Ranks ranks = processes.ranks();
  RunFolder folder =
      RunFolder::open(a.run, ranks.is_first() ? RunFolder::Access::write : RunFolder::Access::read);
  Config config = folder.config();
  for (const std::string& assignment : a.set) set_config(config, assignment);
  check_config(config);
  const Target target = processes.shared(target_of(device, a.threads, config), a.threads == 0);
  const DataSet data = open_data(config, a.data.empty() ? folder.provenance().data_path : a.data);
  const Model model = make_model(config, data);
  const std::uint64_t seed = std::uint64_t(a.seed >= 0 ? a.seed : config.seed);
  const auto episodes = make_episodes(config, data, a.split, seed);

  const auto file = folder.latest_checkpoint();
  if (!file)
    fail(ErrorKind::io, a.run,
         "the run has no checkpoint yet; train it first (metatape train "
         "--out {} --resume)",
         a.run);
  Checkpoint checkpoint = load_checkpoint(*file, model.parameters);
  const std::int64_t tasks = a.tasks ? a.tasks : config.eval.tasks;
  if (ranks.size() > 1)
    ranks.require_equal({{"program", build_digest()},
                         {"device", a.device},
                         {"data", data.images ? data.images->digest() : ""},
                         {"settings", to_json(config)},
                         {"checkpoint", state_digest(checkpoint.state)},
                         {"split", a.split},
                         {"seed", seed},
                         {"tasks", tasks}});
  const Evaluation e = evaluate(config, model, *episodes, checkpoint.state, tasks, target, ranks);
  nlohmann::json result = to_json(e, config, a.split);
  result["seed"] = seed;
  result["run"] = a.run;
  result["checkpoint"] = file->string();
  if (data.images) result["data_sha256"] = data.images->digest();
  keep(folder, name_of(a.split, config, data, folder), result, output);
  output.result(result, text_of(result));
}

}  // namespace metatape
