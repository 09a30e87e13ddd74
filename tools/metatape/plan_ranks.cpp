#include "tools/metatape/plan_ranks.h"

#include <fmt/format.h>

#include "meta/programs/ranks_cost.h"

namespace metatape {
namespace {

nlohmann::json to_json(const RanksCost& c) {
  return {{"ranks", c.ranks},
          {"tasks_per_run", c.tasks},
          {"runs", c.runs},
          {"bytes_sent", c.bytes},
          {"messages", c.messages},
          {"communication_seconds", c.communication_s},
          {"compute_seconds", c.compute_s}};
}

}  // namespace

PlannedRanks plan_ranks(const PlanArguments& a, const Config& asked, const Config& config,
                        const Program& program) {
  const Link link{.seconds_per_message = a.latency * 1e-6,
                  .seconds_per_byte = a.bandwidth > 0 ? 1e-9 / a.bandwidth : 0};
  const Exchanged run = exchanged(program);
  const double step_s = a.step_time * 1e-3;
  PlannedRanks planned;
  // With the chunks of this number of ranks only divisors of it would remain.
  const auto costs = ranks_costs(asked, run, link, step_s);
  for (const RanksCost& c : ranks_costs(config, run, link, step_s))
    if (c.ranks == a.ranks) {
      planned.json = to_json(c);
      planned.text =
          fmt::format("\n  on each of {} ranks; each sends {:.3f} MB in {} messages a meta-step",
                      c.ranks, c.bytes / 1e6, c.messages);
    }
  if (a.latency == 0 && a.bandwidth == 0) return planned;
  planned.text += fmt::format(
      "\n  at {} us a message and {}:\n"
      "  {:>6} {:>10} {:>9} {:>17} {:>13} {:>9}",
      a.latency, a.bandwidth > 0 ? fmt::format("{} GB/s", a.bandwidth) : "no limit of bandwidth",
      "ranks", "tasks each", "sent MB", "communication ms", "computing ms", "speed-up");
  for (const RanksCost& c : costs) {
    planned.json["table"].push_back(to_json(c));
    const std::string computing = step_s > 0 ? fmt::format("{:.3f}", 1e3 * c.compute_s) : "?";
    const std::string speed_up =
        step_s > 0 ? fmt::format("{:.2f}", step_s / (c.compute_s + c.communication_s)) : "?";
    planned.text +=
        fmt::format("\n  {:>6} {:>10} {:>9.3f} {:>17.3f} {:>13} {:>9}", c.ranks, c.tasks * c.runs,
                    c.bytes / 1e6, 1e3 * c.communication_s, computing, speed_up);
  }
  if (step_s > 0) {
    planned.json["scaling_limit"] = scaling_limit(costs);
    planned.text += fmt::format("\n  communication takes no longer than computing up to {} ranks",
                                scaling_limit(costs));
  }
  return planned;
}

}  // namespace metatape
