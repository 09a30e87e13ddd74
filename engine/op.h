#pragma once

// The record of one primitive: everything the engine knows of it. Records are constant data, one
// per line of ops.def, defined in engine/ops/<family>.cpp.

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/tape.h"
#include "kernels/common/context.h"
#include "kernels/common/matrix_status.h"
#include "kernels/fused/expression.h"

namespace metatape {

/// Shape and type of one value.
struct ValueType {
  Shape shape;
  DType dtype;
  std::size_t bytes() const { return std::size_t(shape.elements()) * dtype_bytes(dtype); }
  bool operator==(const ValueType&) const = default;
};

/// What a shape rule sees. It returns the type of the result, or calls fail_shape / fail_dtype.
struct InferCall {
  OpId op;
  std::span<const ValueType> in;
  const Attr& attr;
  Loc where;
};

/// What a derivative rule sees: y = f(in...), the cotangent `ct` of y. It records the cotangent of
/// each operand with tape ops only (so that it can be differentiated again), skips operands that
/// need none, and never accumulates: the sweep does.
struct Pullback {
  Tape& tape;
  std::span<const Var> in;
  Var out;
  Var ct;
  const Attr& attr;
  std::span<const bool> needed;
  Loc where;
};
/// One per operand; an empty Var means "none" (not needed, or the derivative is zero).
using Cotangents = std::vector<Var>;

/// What a kernel binding sees at run time, whatever the device.
struct KernelCall {
  OpId op;
  std::span<const ValueType> in_types;
  std::span<const void* const> in;
  ValueType out_type;
  void* out;
  const Attr& attr;
  void* workspace;
  kernels::MatrixStatus* status;  ///< of an op that may fail: one for each matrix of the result
};

/// The same, and where to run: all pointers are of that device.
template <class Context>
struct DeviceCall : KernelCall {
  const Context& context;
};
using CpuCall = DeviceCall<kernels::CpuContext>;
using CudaCall = DeviceCall<kernels::CudaContext>;

struct Cost {
  double flops = 0;
  double bytes = 0;
};

/// What a planning rule sees (cost, workspace): as InferCall, with the result known.
struct PlanCall {
  std::span<const ValueType> in;
  const ValueType& out;
  const Attr& attr;
};

/// The binding of an op to its kernels: one body, bind_kernel([](const auto& call) {...}), that
/// calls a contract which has an overload for each context.
struct KernelBinding {
  void (*cpu)(const CpuCall&) = nullptr;
  void (*cuda)(const CudaCall&) = nullptr;  ///< null in a build without CUDA
};

/// Bytes of workspace: bind_workspace([](const PlanCall&, const auto& context) {...}).
struct WorkspaceBinding {
  std::size_t (*cpu)(const PlanCall&, const kernels::CpuContext&) = nullptr;
  std::size_t (*cuda)(const PlanCall&, const kernels::CudaContext&) = nullptr;
};

#if MT_HAVE_CUDA
template <class Body>
constexpr KernelBinding bind_kernel(Body body) {
  return {body, body};
}
template <class Body>
constexpr WorkspaceBinding bind_workspace(Body body) {
  return {body, body};
}
#else
template <class Body>
constexpr KernelBinding bind_kernel(Body body) {
  return {body};
}
template <class Body>
constexpr WorkspaceBinding bind_workspace(Body body) {
  return {body};
}
#endif

/// Constants of an elementwise function; each function says which it reads.
struct ElementwiseAttr {
  double alpha = 1, beta = 0;
  bool operator==(const ElementwiseAttr&) const = default;
};

/// Which operands may be read with stretched extents, so that a broadcast_to before them need not
/// be materialised.
enum class Broadcasts { none, tasks, all };

struct OpDef {
  ValueType (*infer)(const InferCall&);
  /// Null: not differentiable; the derivative of the result is zero (indices, signs).
  Cotangents (*vjp)(const Pullback&) = nullptr;
  /// Null: nothing to run (slots, views).
  KernelBinding kernel = {};
  WorkspaceBinding workspace = {};  ///< null: none
  /// Null: one flop per element of the result.
  double (*flops)(const PlanCall&) = nullptr;
  std::string (*describe)(const Attr&) = nullptr;
  Broadcasts broadcasts = Broadcasts::none;
  /// Of an op that fuse() may make part of an expression; its constants alpha and beta stand first
  /// in the attribute, as ElementwiseAttr.
  std::optional<kernels::ElementwiseFunction> elementwise = {};
  bool view = false;           ///< the result is the first operand's storage
  bool may_overwrite = false;  ///< the kernel may write onto a dense operand of the same type
  bool may_fail = false;       ///< the kernel leaves a status of each matrix; engine/status.h
  bool communicates = false;   ///< all ranks of a run must execute it together
};

/// Whether an instruction of this op runs anything.
inline bool runs(const OpDef& def) { return def.kernel.cpu != nullptr; }

const OpDef& op_def(OpId);
const char* op_name(OpId);

/// bytes read and written, flops.
Cost instruction_cost(OpId, const PlanCall&);

template <class... A>
[[noreturn]] void fail_shape(const InferCall& c, fmt::format_string<A...> text, A&&... args) {
  fail_at(c.where, ErrorKind::shape, op_name(c.op), text, std::forward<A>(args)...);
}
template <class... A>
[[noreturn]] void fail_dtype(const InferCall& c, fmt::format_string<A...> text, A&&... args) {
  fail_at(c.where, ErrorKind::dtype, op_name(c.op), text, std::forward<A>(args)...);
}

/// The records themselves: conv2d_def and so on.
#define MT_OP(name) extern const OpDef name##_def;
#include "engine/ops.def"
#undef MT_OP

}  // namespace metatape
