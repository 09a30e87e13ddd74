#pragma once

// A program with its addresses resolved: what remains to be done when memory is there.

#include <functional>
#include <vector>

#include "engine/program.h"

namespace metatape {

/// An instruction with its pointers: all that its kernel needs.
struct Step {
  int node;
  std::vector<ValueType> in_types;
  std::vector<const void*> in;
  void* out;
  void* workspace;
  kernels::MatrixStatus* status;
};

/// Where values live on one device: an arena laid out by the plan, and slots that the executor
/// keeps.
class Placement {
 public:
  using SlotAddress = std::function<void*(const Slot&)>;

  Placement(const Program&, void* arena, SlotAddress);

  void* address(int node) const;
  /// The instructions that run, in order.
  std::vector<Step> steps() const;
  /// The call of a step, without its context.
  KernelCall call(const Step&) const;
  /// Whether the planner gave the node a place of its own; else a slot shows through.
  bool in_arena(int node) const;

 private:
  void* at(int storage) const;

  const Program& program_;
  std::byte* arena_;
  SlotAddress slot_address_;
};

}  // namespace metatape
