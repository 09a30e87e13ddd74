#include "engine/ops/common.h"

#include <algorithm>

namespace metatape {

DType require_same_float(const InferCall& c) {
  for (const ValueType& v : c.in)
    if (!is_float(v.dtype) || v.dtype != c.in[0].dtype)
      fail_dtype(c, "operand types are {} and {}, expected one of f32, f64 for all",
                 dtype_name(c.in[0].dtype), dtype_name(v.dtype));
  return c.in[0].dtype;
}

void require_dtype(const InferCall& c, std::size_t operand, DType expected) {
  if (c.in[operand].dtype != expected)
    fail_dtype(c, "operand {} is {}, expected {}", operand, dtype_name(c.in[operand].dtype),
               dtype_name(expected));
}

void require_square(const InferCall& c, std::size_t operand) {
  const Shape& s = c.in[operand].shape;
  if (s.rank() < 2 || s[-1] != s[-2])
    fail_shape(c, "operand {} is {}, expected square matrices [...,n,n]", operand, s.str());
}

std::int64_t common_tasks(const InferCall& c) {
  std::int64_t tasks = 1;
  for (const ValueType& v : c.in) tasks = std::max(tasks, v.shape.tasks());
  for (const ValueType& v : c.in)
    if (v.shape.tasks() != 1 && v.shape.tasks() != tasks)
      fail_shape(c, "operands have {} and {} tasks, expected equal or 1", v.shape.tasks(), tasks);
  return tasks;
}

ValueType infer_same(const InferCall& c) { return {c.in[0].shape, require_same_float(c)}; }

int checked_axis(int axis, const Shape& s, const char* op, Loc where) {
  const int positive = axis < 0 ? axis + s.rank() : axis;
  if (positive < 0 || positive >= s.rank())
    fail_at(where, ErrorKind::shape, op, "axis {} of a value {}", axis, s.str());
  return positive;
}

Var sum_like(Var v, Var like, Loc where) {
  return v.shape() == like.shape() ? v : sum_to(v, like.shape(), where);
}

kernels::LoopNest loops_of(const Shape& s) {
  kernels::LoopNest loops{.rank = s.rank() + 1};
  loops.extents[0] = s.tasks();
  for (int axis = 0; axis < s.rank(); ++axis) loops.extents[axis + 1] = s[axis];
  return loops;
}

kernels::Extents strides_over(const Shape& operand, const Shape& over) {
  kernels::Extents strides{};
  std::int64_t stride = 1;
  for (int back = 1; back <= operand.rank(); ++back) {
    strides[over.rank() + 1 - back] = operand[-back] == 1 ? 0 : stride;
    stride *= operand[-back];
  }
  strides[0] = operand.tasks() == 1 ? 0 : stride;
  return strides;
}

unsigned reduced_loops(const Shape& from, const Shape& to) {
  const kernels::LoopNest loops = loops_of(from);
  const kernels::Extents kept = strides_over(to, from);
  unsigned reduced = 0;
  for (int d = 0; d < loops.rank; ++d)
    if (kept[d] == 0 && loops.extents[d] != 1) reduced |= 1u << d;
  return reduced;
}

}  // namespace metatape
