// Values that no operand makes: slots, constants, and the seed of forward mode.

#include "engine/ops/common.h"
#include "kernels/elementwise/elementwise.h"

namespace metatape {
namespace {

struct FillAttr {
  double value;
  std::int64_t tasks;
  std::int64_t extents[3];
  int rank;
  DType dtype;
};
static_assert(sizeof(FillAttr) <= 48);

ValueType infer_slot(const InferCall& c) {
  fail_at(c.where, ErrorKind::internal, op_name(c.op), "slots are declared through the tape");
}

ValueType infer_fill(const InferCall& c) {
  const auto a = c.attr.as<FillAttr>();
  if (a.dtype == DType::u8) fail_dtype(c, "result is u8, expected f32, f64 or i32");
  return {Shape(a.tasks, std::span(a.extents, std::size_t(a.rank))), a.dtype};
}

constexpr auto fill_call = [](const auto& c) {
  const double value = attribute<FillAttr>(c).value;
  const std::int64_t count = c.out_type.shape.elements();
  if (c.out_type.dtype == DType::i32)
    kernels::fill<std::int32_t>(output<std::int32_t>(c), count, std::int32_t(value), c.context);
  else
    with_float(c, c.out_type.dtype,
               [&]<class T>() { kernels::fill<T>(output<T>(c), count, T(value), c.context); });
};

constexpr auto seed_call = [](const auto&) {
  fail(ErrorKind::usage, "tangent_seed",
       "the result depends on a tangent seed: fetch what jvp returned, not a value inside it");
};

/// Extents folded into three, so that the constants of any shape fit the attribute; a reshape on
/// the way out restores them at no cost.
Var source(OpId op, Tape& tape, const Shape& shape, double value, DType dtype, Loc where) {
  FillAttr a;
  std::memset(&a, 0, sizeof a);  // padding takes part in comparisons
  a.value = value;
  a.tasks = shape.tasks();
  a.dtype = dtype;
  if (shape.rank() <= 3) {
    a.rank = shape.rank();
    std::copy(shape.extents().begin(), shape.extents().end(), a.extents);
    return tape.push(op, {}, Attr::of(a), where);
  }
  a.rank = 1;
  a.extents[0] = shape.elements_per_task();
  return reshape(tape.push(op, {}, Attr::of(a), where), shape.extents(), where);
}

std::string describe_fill(const Attr& attr) { return fmt::format("{}", attr.as<FillAttr>().value); }

}  // namespace

const OpDef input_def{.infer = infer_slot};
const OpDef state_def{.infer = infer_slot};
const OpDef fill_def{
    .infer = infer_fill, .kernel = bind_kernel(fill_call), .describe = describe_fill};
const OpDef tangent_seed_def{.infer = infer_fill, .kernel = bind_kernel(seed_call)};

Var fill(Tape& tape, const Shape& shape, double value, DType dtype, Loc where) {
  return source(OpId::fill, tape, shape, value, dtype, where);
}

Var tangent_seed(Tape& tape, const Shape& shape, DType dtype, Loc where) {
  return source(OpId::tangent_seed, tape, shape, 0, dtype, where);
}

}  // namespace metatape
