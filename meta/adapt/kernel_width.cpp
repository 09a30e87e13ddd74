#include "meta/adapt/kernel_width.h"

#include <algorithm>
#include <cmath>

#include "engine/exec/cpu_executor.h"
#include "engine/ops.h"
#include "meta/programs/programs.h"
#include "meta/training/episode_feed.h"

namespace metatape {

double median_kernel_width(const Model& model, const EpisodeSource& source, std::int64_t tasks,
                           StateStore& initial) {
  Tape tape;
  const ParamSet theta = declare_parameters(tape, model.parameters, DType::f64);
  const Var x = tape.input("support_x", Shape(tasks, source.layout().support_x), DType::f64);
  const Var z = model.features(theta, x);
  const Program program = compile(tape, {.fetch = {squared_distances(z, z)}});
  CpuExecutor executor(program, initial);
  EpisodeBatch batch;
  source.draw(0, 0, std::uint32_t(tasks), batch);
  feed_episodes(executor, batch);
  executor.run();

  const std::vector<double> all = executor.fetch(0).values();
  const std::int64_t n = z.extent(-2);
  std::vector<double> pairs;
  for (std::int64_t i = 0; i < std::int64_t(all.size()); ++i)
    if (i % n < i / n % n) pairs.push_back(all[std::size_t(i)]);
  const auto middle = pairs.begin() + std::int64_t(pairs.size()) / 2;
  std::nth_element(pairs.begin(), middle, pairs.end());
  if (pairs.empty() || !(*middle > 0))
    fail(ErrorKind::numerical, "head.sigma",
         "the features of the first batch do not differ, so there is no width to start from; give "
         "one (head.sigma=1)");
  return std::sqrt(*middle / 2);
}

}  // namespace metatape
