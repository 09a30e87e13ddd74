#pragma once

// The metatape command as several processes, started by mpirun on one machine.

#include "tests/tools/small_run.h"

namespace metatape {

/// More processes than processors, as root too; waiting ones give their processor away.
inline CommandOptions mpirun_options() {
  return {.environment = {{"OMPI_ALLOW_RUN_AS_ROOT", "1"},
                          {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
                          {"OMPI_MCA_rmaps_base_oversubscribe", "1"},
                          {"OMPI_MCA_hwloc_base_binding_policy", "none"},
                          {"OMPI_MCA_btl_vader_single_copy_mechanism", "none"},
                          {"OMPI_MCA_mpi_yield_when_idle", "1"},
                          {"ASAN_OPTIONS", "detect_leaks=0"}},  // MPI's own
          .program = MT_MPIRUN};
}

inline Arguments on_ranks(int ranks, const Arguments& arguments) {
  return Arguments{"-n", std::to_string(ranks), MT_COMMAND} + arguments;
}

/// A small run on several ranks: eight tasks of noise a step, one thread each.
class RankedRun : public SmallRun {
 public:
  static Arguments train(const std::string& out, const std::vector<std::string>& more = {}) {
    return SmallRun::train(out) + settings({"outer.tasks=8", "train.iterations=6"}) +
           settings(more) + Arguments{"--threads", "1", "--json"};
  }
  CommandResult launch(int ranks, const Arguments& arguments) const {
    return run(on_ranks(ranks, arguments), mpirun_options());
  }
  /// Its hash; the test fails unless it succeeds.
  std::string launched_hash(int ranks, const Arguments& arguments) const {
    const CommandResult r = launch(ranks, arguments);
    EXPECT_EQ(r.exit_code, 0) << r.errors;
    return r.json().value("state_hash", "");
  }
  Process start_launch(int ranks, const Arguments& arguments) const {
    return {path(""), on_ranks(ranks, arguments), mpirun_options()};
  }
};

}  // namespace metatape
