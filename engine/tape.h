#pragma once

// The tape: an append-only list of instructions in static single assignment form. Recording runs
// nothing. An instruction has one result, so "value" and "instruction" share one number.
//
// Start at Tape::push (every op ends there), then read autodiff.h (what appends adjoints) and
// program.h (what turns a tape into something that runs).

#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/shape.h"

namespace metatape {

enum class OpId : std::uint16_t {
#define MT_OP(name) name,
#include "engine/ops.def"
#undef MT_OP
};

#define MT_OP(name) +1
inline constexpr int kOpCount = 0
#include "engine/ops.def"
    ;
#undef MT_OP

class Tape;

/// Handle of one value. An empty Var stands for "no value".
struct Var {
  Tape* tape = nullptr;
  int id = -1;

  explicit operator bool() const { return tape != nullptr; }
  const Shape& shape() const;
  DType dtype() const;
  std::int64_t tasks() const { return shape().tasks(); }
  std::int64_t extent(int axis) const { return shape()[axis]; }
  int rank() const { return shape().rank(); }
};

/// Constants of an instruction in 48 bytes, zero-padded so that equal contents are equal bytes.
class Attr {
 public:
  Attr() { std::memset(bytes_, 0, sizeof bytes_); }

  template <class A>
  static Attr of(const A& a) {
    static_assert(std::is_trivially_copyable_v<A> && sizeof(A) <= sizeof bytes_);
    Attr box;
    std::memcpy(box.bytes_, &a, sizeof(A));
    return box;
  }
  template <class A>
  A as() const {
    static_assert(std::is_trivially_copyable_v<A> && sizeof(A) <= sizeof bytes_);
    A a;
    std::memcpy(&a, bytes_, sizeof(A));
    return a;
  }
  std::string_view bytes() const { return {bytes_, sizeof bytes_}; }

 private:
  alignas(8) char bytes_[48];
};

struct Instr {
  OpId op;
  DType dtype;              // of the result
  Shape shape;              // of the result
  std::vector<int> inputs;  // operand ids, all smaller than the own id
  Attr attr;
  int scope = 0;       // index into Tape::scopes
  int segment = -1;    // recompute segment it was recorded in, or -1
  int generation = 0;  // 0: recorded; g > 0: emitted again by the g-th recomputation
  Loc where;
};

/// A named place that outlives a run: fed before it (input) or kept and updated by it (state).
struct Slot {
  enum class Kind { input, state } kind;
  std::string name;
  Shape shape;
  DType dtype;
};

/// Attribute of an input or state instruction: its index into Tape::slots().
struct SlotAttr {
  int slot;
};

class Tape {
 public:
  Tape() { scopes_.push_back(""); }
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// Records one instruction: infers its shape and type, or throws Error{shape|dtype|usage}.
  Var push(OpId op, const std::vector<Var>& inputs, const Attr& attr, Loc where);

  /// A value the caller supplies before every run.
  Var input(std::string name, const Shape& shape, DType dtype, Loc where = Loc::current());
  /// A value kept between runs, by name; programs of several tapes share it. Declaring a name again
  /// returns the same value.
  Var state(std::string name, const Shape& shape, DType dtype, Loc where = Loc::current());

  int size() const { return int(instructions_.size()); }
  const Instr& at(int id) const { return instructions_[std::size_t(id)]; }
  const std::vector<Slot>& slots() const { return slots_; }
  const std::string& scope_name(int scope) const { return scopes_[std::size_t(scope)]; }
  const std::string& open_scope() const { return scope_name(scope_); }

 private:
  friend class Scope;
  friend class RecomputeSegment;
  friend class Recomputation;

  Var slot(Slot slot, Loc where);

  std::deque<Instr> instructions_;  // a deque: references stay valid while the tape grows
  std::vector<Slot> slots_;
  std::vector<int> slot_values_;  // value id of each slot
  std::vector<std::string> scopes_;
  int scope_ = 0;
  std::vector<std::pair<int, int>> segments_;  // [first, end) of each
  int open_segment_ = -1;
  int generation_ = 0, generations_ = 0;
};

/// Names the instructions recorded while it lives: `Scope scope(tape, "inner/0");` Scopes nest.
class Scope {
 public:
  Scope(Tape& tape, std::string_view name);
  ~Scope();
  Scope(const Scope&) = delete;

 private:
  Tape& tape_;
  int outer_;
};

/// Marks the instructions recorded while it lives: a reverse sweep that reaches them from later
/// instructions records them again instead of keeping their values alive. Griewank & Walther 2008,
/// "Evaluating Derivatives", ch. 12. Segments do not nest.
class RecomputeSegment {
 public:
  explicit RecomputeSegment(Tape& tape);
  ~RecomputeSegment();
  RecomputeSegment(const RecomputeSegment&) = delete;

 private:
  Tape& tape_;
};

inline const Shape& Var::shape() const { return tape->at(id).shape; }
inline DType Var::dtype() const { return tape->at(id).dtype; }

}  // namespace metatape
