#include "meta/programs/task_chunks.h"

#include "engine/ops.h"
#include "meta/programs/joined.h"
#include "meta/programs/programs.h"
#include "meta/settings/refuse.h"

namespace metatape {

bool can_chunk(const Config& c) { return c.outer.combine == "mean"; }

std::int64_t tasks_at_once(const Config& c, int ranks) {
  return c.outer.chunk > 0 ? std::min(c.outer.chunk, c.outer.tasks) : c.outer.tasks / ranks;
}

Config dealt_to_ranks(Config c, int ranks) {
  if (ranks == 1) return c;
  refuse_if(c.outer.chunk == 0 && c.outer.tasks % ranks != 0, "outer.tasks",
            "{} tasks cannot be dealt evenly to {} ranks; use a multiple of {}, or another number "
            "of ranks",
            c.outer.tasks, ranks, ranks);
  const std::int64_t chunk = tasks_at_once(c, ranks), chunks = c.outer.tasks / chunk;
  refuse_if(chunks % ranks != 0, "outer.chunk",
            "{} tasks in chunks of {} are {} chunks, which cannot be dealt evenly to {} ranks; use "
            "a number of ranks that divides {}, or in a new run another outer.chunk",
            c.outer.tasks, chunk, chunks, ranks, chunks);
  if (can_chunk(c)) c.outer.chunk = chunk;
  return c;
}

TaskChunks::TaskChunks(Var done, const Config& config, int ranks)
    : ranks_(ranks), iteration_(done) {
  Tape& tape = *done.tape;
  const std::int64_t chunk = tasks_at_once(config, ranks), tasks = config.outer.tasks;
  const std::int64_t in_run = chunk * ranks;
  if (in_run < tasks) iteration_ = tape.input(kIterationInput, {}, DType::i32);
  share_ = double(chunk) / double(tasks);
  const Var first = cast(tape.input(kFirstTask, {}, DType::i32), precision_of(config));
  const auto number = [&](double value) { return fill(tape, {}, value, first.dtype()); };
  is_first_ = greater(number(double(in_run) - 0.5), first);
  is_last_ = greater(first, number(double(tasks - in_run) - 0.5));
}

void TaskChunks::add_up(std::vector<Var>& means, std::vector<Var>& sums) {
  std::vector<Var> values;
  for (const Var& mean : means) values.push_back(share_ * mean);
  values.insert(values.end(), sums.begin(), sums.end());
  const Var value = joined(values);
  const Var before = value.tape->state("chunks/sum", value.shape(), value.dtype());
  // + 0 makes a zero of either sign the same zero.
  const Var total = add_over_ranks((1.0 - is_first_) * before + 0.0, value, ranks_);
  sum_.push_back({before, total});
  const std::vector<Var> parts = taken_apart(total, values);
  const auto end_of_means = parts.begin() + std::ptrdiff_t(means.size());
  means.assign(parts.begin(), end_of_means);
  sums.assign(end_of_means, parts.end());
}

std::vector<Update> TaskChunks::updates(std::vector<Update> in_last_run) const {
  for (Update& u : in_last_run) u.value = is_last_ * u.value + (1.0 - is_last_) * u.state;
  in_last_run.insert(in_last_run.end(), sum_.begin(), sum_.end());
  return in_last_run;
}

}  // namespace metatape
