#include "engine/tape.h"

#include "engine/op.h"

namespace metatape {

Var Tape::push(OpId op, const std::vector<Var>& inputs, const Attr& attr, Loc where) {
  std::vector<ValueType> types;
  Instr instr{.op = op, .dtype = {}, .shape = {}, .inputs = {}, .attr = attr, .where = where};
  for (const Var& v : inputs) {
    if (v.tape != this)
      fail_at(where, ErrorKind::usage, op_name(op), "operand {} {}", instr.inputs.size(),
              v ? "belongs to another tape" : "is empty");
    types.push_back({v.shape(), v.dtype()});
    instr.inputs.push_back(v.id);
  }
  const ValueType result = op_def(op).infer({op, types, attr, where});
  instr.shape = result.shape;
  instr.dtype = result.dtype;
  instr.scope = scope_;
  instr.segment = open_segment_;
  instr.generation = generation_;
  instructions_.push_back(std::move(instr));
  return {this, size() - 1};
}

Var Tape::input(std::string name, const Shape& shape, DType dtype, Loc where) {
  return slot({Slot::Kind::input, std::move(name), shape, dtype}, where);
}

Var Tape::state(std::string name, const Shape& shape, DType dtype, Loc where) {
  return slot({Slot::Kind::state, std::move(name), shape, dtype}, where);
}

Var Tape::slot(Slot wanted, Loc where) {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Slot& s = slots_[i];
    if (s.name != wanted.name) continue;
    if (s.kind != wanted.kind || s.shape != wanted.shape || s.dtype != wanted.dtype)
      fail_at(where, ErrorKind::usage, wanted.name,
              "declared as {} {}, but the tape already holds that name as {} {}",
              dtype_name(wanted.dtype), wanted.shape.str(), dtype_name(s.dtype), s.shape.str());
    return {this, slot_values_[i]};
  }
  const bool is_state = wanted.kind == Slot::Kind::state;
  // Slots outlive every segment: recomputing a read would only copy it.
  Instr instr{.op = is_state ? OpId::state : OpId::input,
              .dtype = wanted.dtype,
              .shape = wanted.shape,
              .inputs = {},
              .attr = Attr::of(SlotAttr{int(slots_.size())}),
              .scope = scope_,
              .where = where};
  instructions_.push_back(std::move(instr));
  slots_.push_back(std::move(wanted));
  slot_values_.push_back(size() - 1);
  return {this, size() - 1};
}

Scope::Scope(Tape& tape, std::string_view name) : tape_(tape), outer_(tape.scope_) {
  const std::string& above = tape.scope_name(outer_);
  tape.scopes_.push_back(above.empty() ? std::string(name) : above + "/" + std::string(name));
  tape.scope_ = int(tape.scopes_.size()) - 1;
}

Scope::~Scope() { tape_.scope_ = outer_; }

RecomputeSegment::RecomputeSegment(Tape& tape) : tape_(tape) {
  if (tape.open_segment_ >= 0)
    fail(ErrorKind::usage, "recompute", "a segment is open already: segments do not nest");
  tape.open_segment_ = int(tape.segments_.size());
  tape.segments_.emplace_back(tape.size(), tape.size());
}

RecomputeSegment::~RecomputeSegment() {
  tape_.segments_.back().second = tape_.size();
  tape_.open_segment_ = -1;
}

}  // namespace metatape
