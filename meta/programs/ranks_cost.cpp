#include "meta/programs/ranks_cost.h"

#include <algorithm>
#include <cmath>

#include "meta/programs/task_chunks.h"

namespace metatape {

Exchanged exchanged(const Program& program) {
  Exchanged total;
  for (const Node& node : program.graph.nodes) {
    const double bytes = double(node.type.bytes());
    if (node.op == OpId::add_over_ranks) total.added_bytes += bytes;
    if (node.op == OpId::gather_over_ranks) total.gathered_bytes += bytes;
  }
  return total;
}

std::vector<RanksCost> ranks_costs(const Config& config, const Exchanged& run, const Link& link,
                                   double step_s) {
  std::vector<RanksCost> costs;
  for (int ranks = 1; ranks <= config.outer.tasks; ++ranks) {
    RanksCost c{.ranks = ranks, .tasks = tasks_at_once(config, ranks)};
    if (c.tasks == 0 || config.outer.tasks % (c.tasks * ranks) != 0) continue;
    c.runs = config.outer.tasks / (c.tasks * ranks);
    const double others = ranks - 1, runs = double(c.runs);
    c.bytes = runs * (2 * run.added_bytes + run.gathered_bytes) * others / ranks;
    c.messages = runs * others * (2.0 * (run.added_bytes > 0) + (run.gathered_bytes > 0)) +
                 std::ceil(std::log2(ranks));
    c.communication_s = c.messages * link.seconds_per_message + c.bytes * link.seconds_per_byte;
    c.compute_s = step_s / ranks;
    costs.push_back(c);
  }
  return costs;
}

int scaling_limit(const std::vector<RanksCost>& costs) {
  int limit = 1;
  for (const RanksCost& c : costs)
    if (c.communication_s <= c.compute_s) limit = std::max(limit, c.ranks);
  return limit;
}

}  // namespace metatape
