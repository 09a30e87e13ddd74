#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "meta/programs/programs.h"
#include "tools/metatape/command.h"

namespace metatape {

/// What `plan --ranks` adds to the plan of one rank, for scripts and for people.
struct PlannedRanks {
  nlohmann::json json;
  std::string text;
};
/// `config` as the program was recorded, `asked` without the chunks in which its tasks were dealt.
PlannedRanks plan_ranks(const PlanArguments&, const Config& asked, const Config& config,
                        const Program&);

}  // namespace metatape
