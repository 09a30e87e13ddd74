#pragma once

// What a tape becomes on its way to a program: the instructions that some results need, in tape
// order, renumbered. Passes (engine/passes/) rewrite it; the planner and the executor read it.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/op.h"
#include "engine/tape.h"
#include "engine/target.h"

namespace metatape {

struct Node {
  OpId op;
  ValueType type;
  std::vector<int> inputs;
  Attr attr;
  int generation = 0;   ///< which recomputation emitted it; values of two generations never merge
  int instruction = 0;  ///< position on the tape, for messages
};

struct FusedGroup;  // engine/passes/fused_group.h

/// The new content of a state slot after a run.
struct StateUpdate {
  int state;
  int value;
};

struct Graph {
  const Tape* tape = nullptr;
  std::vector<Node> nodes;
  std::vector<int> fetches;
  std::vector<StateUpdate> updates;
  std::vector<std::shared_ptr<const FusedGroup>> fused_groups;  ///< what fused nodes point to

  const Slot& slot_of(int node) const;
  std::vector<ValueType> input_types(const Node&) const;
  /// Fetches and updates take node moved_to[n] for n.
  void move_results(std::span<const int> moved_to);
};

/// A request: state takes value when a run is committed.
struct Update {
  Var state;
  Var value;
};

/// All of the tape up to its last instruction, with the wanted results.
Graph extract_graph(const Tape&, std::span<const Var> fetch, std::span<const Update> update);

// ---- passes ------------------------------------------------------------------------------------

/// Throws Error{internal} unless every operand precedes its reader and every node has the type that
/// its shape rule gives.
void verify(const Graph&);

/// Drops what neither a fetch nor an update needs.
void remove_dead_code(Graph&);

/// Equal operation, operands and constants: one node. Values of different recomputations stay
/// apart.
void merge_common_subexpressions(Graph&);

/// A reader that can stretch its operand itself reads the value before the broadcast_to.
void fold_broadcasts(Graph&);

/// Sums that follow from other sums, and gathers from what elementwise nodes are computed of: fewer
/// passes over large values. Results change by rounding. See engine/passes/shared_sums.cpp.
void share_sums(Graph&, Device);

/// Mean and squared deviations of the same values from one pass over them, where they are large.
/// Results change by rounding.
void join_moments(Graph&, Device);

/// Groups elementwise instructions, and the sums that they end in, into one instruction each, where
/// that saves memory traffic on the device. Never more bytes are alive at once than before, and on
/// the CPU every result keeps its bits. Leaves dead code behind. See engine/passes/fuse.cpp.
void fuse(Graph&, Device);

/// Computes values again instead of keeping them, where that lowers the most bytes alive at once
/// for little traffic. Every result keeps its bits.
void rematerialise(Graph&, const Target&);

}  // namespace metatape
