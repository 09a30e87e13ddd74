#include "meta/programs/task_chunks.h"

#include "engine/ops.h"
#include "meta/programs/programs.h"

namespace metatape {

std::int64_t tasks_at_once(const Config& c) {
  return c.outer.chunk > 0 ? std::min(c.outer.chunk, c.outer.tasks) : c.outer.tasks;
}

TaskChunks::TaskChunks(Tape& tape, const Config& config)
    : tape_(tape),
      iteration_(tape.input(kIterationInput, {}, DType::i32)),
      first_task_(tape.input(kFirstTask, {}, DType::i32)),
      share_(double(tasks_at_once(config)) / double(config.outer.tasks)) {
  const Var first = cast(first_task_, precision_of(config));
  const auto number = [&](double value) { return fill(tape, {}, value, first.dtype()); };
  is_first_ = greater(number(0.5), first);
  is_last_ = greater(first, number(double(config.outer.tasks - tasks_at_once(config)) - 0.5));
}

ParamSet TaskChunks::accumulated(const ParamSet& mean_of_chunk) {
  std::vector<Var> totals;
  for (const auto& [name, group, value] : mean_of_chunk.entries()) {
    const Var sum = tape_.state("chunks/" + name, value.shape(), value.dtype());
    totals.push_back((1.0 - is_first_) * sum + share_ * value);
    sums_.push_back({sum, totals.back()});
  }
  return mean_of_chunk.with_values(totals);
}

std::vector<Update> TaskChunks::in_last_run(std::vector<Update> updates) const {
  for (Update& u : updates) u.value = is_last_ * u.value + (1.0 - is_last_) * u.state;
  return updates;
}

}  // namespace metatape
