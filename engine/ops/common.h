#pragma once

// What the op records share: shape rules, loop nests for kernels, dispatch on the element type.

#include "engine/op.h"
#include "engine/ops.h"
#include "kernels/common/extents.h"

namespace metatape {

// ---- shape rules -------------------------------------------------------------------------------

/// Both f32 or both f64 (any number of operands), or a dtype error.
DType require_same_float(const InferCall&);
void require_dtype(const InferCall&, std::size_t operand, DType);
/// The operand is [...,n,n].
void require_square(const InferCall&, std::size_t operand);
/// Task extents equal or 1; returns the larger.
std::int64_t common_tasks(const InferCall&);
/// Result type = type of the only operand, which is floating-point.
ValueType infer_same(const InferCall&);
/// The axis, counted from the front; a shape error of `op` if `s` has no such axis.
int checked_axis(int axis, const Shape& s, const char* op, Loc where);

// ---- derivative rules --------------------------------------------------------------------------

/// Undoes the stretching of an operand: sums `v` down to the shape of `like`.
Var sum_like(Var v, Var like, Loc);

// ---- kernel bindings ---------------------------------------------------------------------------

/// [T, extents...] as loops.
kernels::LoopNest loops_of(const Shape&);
/// Element strides of a dense operand, stretched to `over`: 0 where it repeats.
kernels::Extents strides_over(const Shape& operand, const Shape& over);
/// The loops of `from` that summing it to `to` reduces: bit d for loop d.
unsigned reduced_loops(const Shape& from, const Shape& to);
/// Element stride between tasks; 0 if shared by all.
inline std::int64_t task_stride(const Shape& s) {
  return s.tasks() == 1 ? 0 : s.elements_per_task();
}

template <class A>
A attribute(const KernelCall& c) {
  return c.attr.as<A>();
}
template <class T>
const T* input(const KernelCall& c, std::size_t k) {
  return static_cast<const T*>(c.in[k]);
}
template <class T>
T* output(const KernelCall& c) {
  return static_cast<T*>(c.out);
}
template <class T>
T* workspace(const KernelCall& c) {
  return static_cast<T*>(c.workspace);
}

/// Calls f.template operator()<T>() with the C++ type of a floating dtype. Kernels of a GPU exist
/// for f32 alone: programs in f64 are refused before they get here.
template <class F>
void with_float(const CpuCall&, DType t, F&& f) {
  if (t == DType::f64)
    f.template operator()<double>();
  else
    f.template operator()<float>();
}
template <class F>
void with_float(const CudaCall&, DType, F&& f) {
  f.template operator()<float>();
}

/// The same for any dtype.
template <class F>
void with_any(const CudaCall&, DType t, F&& f) {
  if (t == DType::i32)
    f.template operator()<std::int32_t>();
  else if (t == DType::u8)
    f.template operator()<std::uint8_t>();
  else
    f.template operator()<float>();
}
template <class F>
void with_any(const CpuCall&, DType t, F&& f) {
  switch (t) {
    case DType::f64:
      return f.template operator()<double>();
    case DType::i32:
      return f.template operator()<std::int32_t>();
    case DType::u8:
      return f.template operator()<std::uint8_t>();
    case DType::f32:
      return f.template operator()<float>();
  }
}

}  // namespace metatape
