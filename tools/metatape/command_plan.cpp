#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/dump.h"
#include "meta/programs/fit_to_memory.h"
#include "meta/programs/task_chunks.h"
#include "meta/settings/recipe.h"
#include "tools/metatape/assemble.h"
#include "tools/metatape/command.h"
#include "tools/metatape/plan_ranks.h"

namespace metatape {
namespace {

/// Extents of an episode without any data: what the settings assume.
EpisodeLayout assumed_layout(const Config& c) {
  if (c.task.kind == "sinusoid")
    return {TaskKind::regression, 1, {c.task.shots, 1}, {c.task.queries, 1}};
  auto extents = [&](std::int64_t per_class) {
    return std::vector<std::int64_t>{c.task.ways * per_class, c.data.height, c.data.width,
                                     c.data.channels};
  };
  return {TaskKind::classification, c.task.ways, extents(c.task.shots), extents(c.task.queries)};
}

}  // namespace

void plan_command(const PlanArguments& a, const Output& output) {
  const RunArguments& o = a.run;
  const Config asked = o.resolve().config;
  Config config = dealt_to_ranks(asked, a.ranks);
  Target target = o.target(config);
  target.ranks = a.ranks;
  const bool read_data = !o.data.empty() || config.task.kind == "glyphs";
  const DataSet data = read_data ? open_data(config, o.data) : DataSet{};
  const Model model = make_model(config, data);
  const auto episodes = read_data ? make_episodes(config, data, "train", 0) : nullptr;
  const Fit fit = fit_to_memory(
      config, model,
      episodes ? episode_input(config, *episodes, target) : EpisodeInput(assumed_layout(config)),
      target);
  config = fit.config;
  const TrainingPrograms& programs = fit.programs;
  const RecordedProgram& recorded = programs.stages.back().step;
  const Program& p = recorded.program;
  MemoryNeed need = memory_need(programs);
  // A program that draws its episodes has counted the data set as an input.
  if (data.images && !recorded.draws_episodes) need.resident_bytes += data.images->images().size();
  Cost cost = p.cost();  // of a run, of which a meta-step may take several
  cost.flops *= double(recorded.runs);
  cost.bytes *= double(recorded.runs);
  if (a.listing) output.say(dump(p));
  if (!fit.change.empty())
    output.say(fmt::format("train.max_memory={}: {}", config.train.max_memory, fit.change));
  const PlannedRanks ranks = a.ranks > 1 ? plan_ranks(a, asked, config, p) : PlannedRanks{};
  const double mib = 1024.0 * 1024.0;
  nlohmann::json result{{"instructions", p.instruction_count()},
                        {"recorded", recorded.tape->size()},
                        {"flops", cost.flops},
                        {"bytes_moved", cost.bytes},
                        {"arena_bytes", need.arena_bytes},
                        {"resident_bytes", need.resident_bytes},
                        {"live_bound_bytes", need.live_bound_bytes},
                        {"logging_bytes", need.beside_bytes},
                        {"parameters", model.parameter_count()},
                        {"runs", recorded.runs},
                        {"recompute", config.inner.recompute},
                        {"hvp", config.inner.hvp},
                        {"threads", target.threads},
                        {"device", o.device}};
  if (a.ranks > 1) result["ranks"] = ranks.json;
  output.result(
      result,
      fmt::format("one meta-step of {} ({} tasks, {} at a time, {} inner steps, {}):\n"
                  "  {} instructions of {} recorded\n"
                  "  {:.3f} GFLOP, {:.2f} GB read and written\n"
                  "  arena {:.1f} MiB (no plan can be below {:.1f}), inputs, state{} {:.1f} MiB, "
                  "logging {:.1f} MiB",
                  o.recipe, config.outer.tasks, tasks_at_once(config, a.ranks), config.inner.steps,
                  config.train.precision, p.instruction_count(), recorded.tape->size(),
                  cost.flops / 1e9, cost.bytes / 1e9, double(need.arena_bytes) / mib,
                  double(need.live_bound_bytes) / mib, data.images ? " and data set" : "",
                  double(need.resident_bytes) / mib, double(need.beside_bytes) / mib) +
          ranks.text);
}

}  // namespace metatape
