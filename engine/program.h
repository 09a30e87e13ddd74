#pragma once

// compile(): tape + wanted results -> an immutable program whose memory is known.

#include <span>
#include <vector>

#include "engine/graph.h"
#include "engine/plan.h"
#include "engine/target.h"

namespace metatape {

struct CompileOptions {
  std::vector<Var> fetch;      ///< values to read after a run
  std::vector<Update> update;  ///< states to change when a run is committed
  Target target = {};
  PlanOptions plan = {};
  bool merge_common = true;   ///< false leaves equal expressions apart (the reference in tests)
  bool share_sums = true;     ///< false computes every sum and moment by itself (the same)
  bool fuse = true;           ///< false runs every elementwise operation by itself (the same)
  bool rematerialise = true;  ///< false keeps every value until its last reader (the same)
};

struct Program {
  Graph graph;
  Plan plan;
  Target target;

  /// Instructions that run (slots and views do not).
  int instruction_count() const;
  Cost cost() const;
};

/// Dead code, common subexpressions, broadcasts into their readers, shared sums, fusion, values
/// computed again, verification, memory.
/// The tape must outlive the program.
Program compile(const Tape&, const CompileOptions&);

}  // namespace metatape
