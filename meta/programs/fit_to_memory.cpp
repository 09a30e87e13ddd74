#include "meta/programs/fit_to_memory.h"

#include "meta/programs/task_chunks.h"

namespace metatape {
namespace {

/// FLOPs of a meta-step at the end of training.
double flops(const TrainingPrograms& programs) {
  const RecordedProgram& step = programs.stages.back().step;
  return step.program.cost().flops * double(step.runs);
}

bool can_recompute(const Config& c) {
  return c.inner.solver == "gradient" && c.inner.order == "exact" && !c.inner.recompute &&
         c.inner.hvp == "exact" && c.inner.steps > 0;
}

/// Chunks below what runs at once that can be dealt evenly, largest first; none if tasks cannot be
/// cut.
std::vector<std::int64_t> smaller_chunks(const Config& c, int ranks) {
  std::vector<std::int64_t> chunks;
  if (!can_chunk(c)) return chunks;
  for (std::int64_t chunk = tasks_at_once(c, ranks) - 1; chunk > 0; --chunk)
    if (c.outer.tasks % (chunk * ranks) == 0) chunks.push_back(chunk);
  return chunks;
}

}  // namespace

Fit fit_to_memory(const Config& config, const Model& model, const EpisodeInput& input,
                  const Target& target) {
  Fit fit{config, record_training_programs(config, model, input, target), {}};
  const std::size_t limit = std::size_t(config.train.max_memory) << 20;
  MemoryNeed need = memory_need(fit.programs);
  if (limit == 0 || need.total_bytes() <= limit) return fit;
  const double flops_as_set = flops(fit.programs);

  const auto fits = [&](Config candidate) {
    // What tasks need grows with their number: far too many need not be recorded to be known.
    const std::int64_t most = tasks_that_fit(need, limit, tasks_at_once(fit.config, target.ranks));
    if (tasks_at_once(candidate, target.ranks) > 2 * most && !candidate.inner.recompute)
      return false;
    fit.config = std::move(candidate);
    fit.programs = record_training_programs(fit.config, model, input, target);
    need = memory_need(fit.programs);
    return need.total_bytes() <= limit;
  };
  const auto smallest_that_fits = [&](Config candidate) {
    for (const std::int64_t chunk : smaller_chunks(candidate, target.ranks)) {
      candidate.outer.chunk = chunk;
      if (fits(candidate)) return true;
    }
    return false;
  };
  bool found = smallest_that_fits(config);
  if (!found && can_recompute(config)) {
    Config again = config;
    again.inner.recompute = true;
    found = fits(again) || smallest_that_fits(again);
  }
  check_memory(need, fit.config);
  fit.change = fmt::format("{} of {} tasks at a time (outer.chunk={})",
                           tasks_at_once(fit.config, target.ranks), config.outer.tasks,
                           fit.config.outer.chunk);
  if (fit.config.inner.recompute != config.inner.recompute)
    fit.change +=
        fmt::format(", inner steps computed again (inner.recompute=true): {:+.0f} % FLOPs",
                    100 * (flops(fit.programs) / flops_as_set - 1));
  return fit;
}

}  // namespace metatape
