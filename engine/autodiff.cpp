#include "engine/autodiff.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "engine/op.h"
#include "engine/ops.h"

namespace metatape {

/// Records the instructions of a closed segment again when a sweep first enters it, so that the
/// sweep reads the new values and the old ones can die. Values that leave the segment (the adapted
/// parameters) are read as they are. One object serves one sweep.
class Recomputation {
 public:
  explicit Recomputation(Tape& tape) : tape_(tape) {}

  /// What the rule of instruction `reader` shall read for value `id`.
  int value(int id, int reader) {
    const int segment = tape_.at(reader).segment;
    if (segment < 0 || segment == tape_.open_segment_ || tape_.at(id).segment != segment) return id;
    auto found = copies_.find(segment);
    if (found == copies_.end()) found = copies_.emplace(segment, record_again(segment)).first;
    return found->second.at(id);
  }

 private:
  using Copies = std::map<int, int>;

  Copies record_again(int segment) {
    const auto [first, end] = tape_.segments_[std::size_t(segment)];
    Copies copies;
    const int outer = std::exchange(tape_.generation_, ++tape_.generations_);
    for (int id = first; id < end; ++id) {
      const Instr& instr = tape_.at(id);
      if (instr.segment != segment) continue;  // slots are declared anywhere
      std::vector<Var> inputs;
      for (int input : instr.inputs) {
        const auto copy = copies.find(input);
        inputs.push_back({&tape_, copy == copies.end() ? input : copy->second});
      }
      copies[id] = tape_.push(instr.op, inputs, instr.attr, instr.where).id;
    }
    tape_.generation_ = outer;
    return copies;  // what the sweep does not read of it is dead code
  }

  Tape& tape_;
  std::map<int, Copies> copies_;
};

namespace {

/// For each value up to `last`: does it depend on one of `wrt`?
std::vector<bool> dependents(const Tape& tape, std::span<const Var> wrt, int last) {
  std::vector<bool> depends(std::size_t(last) + 1, false);
  for (const Var& v : wrt)
    if (v.id <= last) depends[std::size_t(v.id)] = true;
  for (int id = 0; id <= last; ++id) {
    if (!is_float(tape.at(id).dtype)) continue;
    for (int input : tape.at(id).inputs)
      if (depends[std::size_t(input)]) depends[std::size_t(id)] = true;
  }
  return depends;
}

/// Rules append under the scope of the instruction that they differentiate, within that of the
/// sweep: `meta_gradient/inner/2`. So a message about a second derivative names its inner step.
class ScopeOfSweep {
 public:
  explicit ScopeOfSweep(Tape& tape) : tape_(tape) {}

  void enter(int scope) {
    if (scope == entered_) return;
    within_.reset();
    std::string name = tape_.scope_name(scope);
    if (name.starts_with(outer_ + "/")) name.erase(0, outer_.size() + 1);
    if (!name.empty() && name != outer_) within_.emplace(tape_, name);
    entered_ = scope;
  }

 private:
  Tape& tape_;
  std::string outer_ = tape_.open_scope();
  std::optional<Scope> within_;
  int entered_ = -1;
};

void check_float(std::span<const Var> values, const char* what, Loc where) {
  for (const Var& v : values)
    if (!is_float(v.dtype()))
      fail_at(where, ErrorKind::usage, "grad", "{} has type {}; only f32 and f64 have derivatives",
              what, dtype_name(v.dtype()));
}

}  // namespace

std::vector<Var> vjp(std::span<const Var> outputs, std::span<const Var> cotangents,
                     std::span<const Var> wrt, Loc where) {
  if (outputs.empty() || outputs.size() != cotangents.size())
    fail_at(where, ErrorKind::usage, "vjp", "{} outputs with {} cotangents", outputs.size(),
            cotangents.size());
  check_float(outputs, "an output", where);
  check_float(wrt, "a value to differentiate by", where);
  Tape& tape = *outputs[0].tape;
  for (const Var& v : wrt)
    if (v.tape != &tape)
      fail_at(where, ErrorKind::usage, "vjp", "a value to differentiate by is of another tape");
  int last = 0;
  for (const Var& v : outputs) last = std::max(last, v.id);

  const std::vector<bool> active = dependents(tape, wrt, last);
  std::vector<Var> ct(std::size_t(last) + 1);  // cotangent of each value, empty while zero
  auto accumulate = [&](int id, Var part) {
    Var& total = ct[std::size_t(id)];
    total = total ? add(total, part, where) : part;
  };
  for (std::size_t o = 0; o < outputs.size(); ++o) {
    if (cotangents[o].shape() != outputs[o].shape())
      fail_at(where, ErrorKind::shape, "vjp", "cotangent {} for an output {}",
              cotangents[o].shape().str(), outputs[o].shape().str());
    accumulate(outputs[o].id, cotangents[o]);
  }

  Recomputation recomputation(tape);
  ScopeOfSweep scope(tape);
  for (int id = last; id >= 0; --id) {
    const Instr& instr = tape.at(id);
    const OpDef& def = op_def(instr.op);
    if (!ct[std::size_t(id)] || !active[std::size_t(id)] || !def.vjp) continue;
    // A value to differentiate by is active without its operands: the sweep ends there, and must
    // not record the segment again that computed it.
    if (std::ranges::none_of(instr.inputs, [&](int input) { return active[std::size_t(input)]; }))
      continue;
    scope.enter(instr.scope);
    std::vector<Var> in;
    const auto needed = std::make_unique<bool[]>(instr.inputs.size());
    for (std::size_t k = 0; k < instr.inputs.size(); ++k) {
      in.push_back({&tape, recomputation.value(instr.inputs[k], id)});
      needed[k] = active[std::size_t(instr.inputs[k])];
    }
    const Var out{&tape, recomputation.value(id, id)};
    const Cotangents back = def.vjp({tape,
                                     in,
                                     out,
                                     ct[std::size_t(id)],
                                     instr.attr,
                                     {needed.get(), instr.inputs.size()},
                                     instr.where});
    for (std::size_t k = 0; k < instr.inputs.size(); ++k) {
      if (!needed[k] || k >= back.size() || !back[k]) continue;
      if (back[k].shape() != in[k].shape())
        fail(ErrorKind::internal, op_name(instr.op), "its rule gave operand {} {} a cotangent {}",
             k, in[k].shape().str(), back[k].shape().str());
      accumulate(instr.inputs[k], back[k]);
    }
  }

  std::vector<Var> result;
  for (const Var& v : wrt) {
    const bool reached = v.id <= last && ct[std::size_t(v.id)];
    result.push_back(reached ? ct[std::size_t(v.id)] : fill(tape, v.shape(), 0, v.dtype(), where));
  }
  return result;
}

std::vector<Var> grad(Var loss, std::span<const Var> wrt, Loc where) {
  check_float({&loss, 1}, "the loss", where);
  const Var seed = fill(*loss.tape, loss.shape(), 1, loss.dtype(), where);
  return vjp({&loss, 1}, {&seed, 1}, wrt, where);
}

std::vector<Var> jvp(std::span<const Var> outputs, std::span<const Var> wrt,
                     std::span<const Var> tangents, Loc where) {
  if (wrt.size() != tangents.size())
    fail_at(where, ErrorKind::usage, "jvp", "{} values with {} tangents", wrt.size(),
            tangents.size());
  std::vector<Var> seeds;
  for (const Var& v : outputs) seeds.push_back(tangent_seed(*v.tape, v.shape(), v.dtype(), where));
  const std::vector<Var> transposed = vjp(outputs, seeds, wrt, where);
  return vjp(transposed, tangents, seeds, where);
}

std::vector<Var> hvp(Var loss, std::span<const Var> wrt, std::span<const Var> v, HvpForm form,
                     Loc where) {
  const std::vector<Var> gradient = grad(loss, wrt, where);
  return form == HvpForm::reverse_over_reverse ? vjp(gradient, v, wrt, where)
                                               : jvp(gradient, wrt, v, where);
}

}  // namespace metatape
