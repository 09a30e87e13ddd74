// Elementwise expressions, and sums of them, as the fusion pass makes them. They have no derivative
// rule and no function in ops.h: passes run after the derivatives were recorded.

#include "engine/passes/fused_group.h"

#include "engine/ops/common.h"
#include "kernels/fused/fused.h"

namespace metatape {
namespace {

const FusedGroup& group_of(const Attr& attr) { return *attr.as<FusedAttr>().group; }

ValueType infer_fused(const InferCall& c) {
  const FusedGroup& group = group_of(c.attr);
  const DType dtype = require_same_float(c);
  if (int(c.in.size()) != group.expression.operands)
    fail_shape(c, "{} operands, the expression has {}", c.in.size(), group.expression.operands);
  for (const ValueType& v : c.in)
    if (!broadcasts_to(v.shape, group.loops))
      fail_shape(c, "operand {} does not stretch to {}", v.shape.str(), group.loops.str());
  if (!broadcasts_to(group.result, group.loops))
    fail_shape(c, "{} cannot be summed to {}", group.loops.str(), group.result.str());
  return {group.result, dtype};
}

template <class T, class Call>
kernels::FusedArgs<T> arguments(const FusedGroup& group, const Call& c) {
  kernels::FusedArgs<T> args{
      .expression = group.expression, .loops = loops_of(group.loops), .y = output<T>(c)};
  for (std::size_t k = 0; k < c.in.size(); ++k) {
    args.strides[k] = strides_over(c.in_types[k].shape, group.loops);
    args.operands[k] = input<T>(c, k);
  }
  return args;
}

constexpr auto fused_call = [](const auto& c) {
  with_float(c, c.out_type.dtype,
             [&]<class T>() { kernels::fused<T>(arguments<T>(group_of(c.attr), c), c.context); });
};

constexpr auto fused_sum_call = [](const auto& c) {
  const FusedGroup& group = group_of(c.attr);
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::fused_sum<T>({.terms = arguments<T>(group, c),
                           .reduced = reduced_loops(group.loops, group.result),
                           .workspace = workspace<T>(c)},
                          c.context);
  });
};

constexpr auto fused_sum_workspace = [](const PlanCall& c, const auto& context) {
  const FusedGroup& group = group_of(c.attr);
  return std::size_t(kernels::fused_sum_workspace_elements(
             loops_of(group.loops), reduced_loops(group.loops, group.result), context)) *
         dtype_bytes(c.out.dtype);
};

double fused_flops(const PlanCall& c) {
  const FusedGroup& group = group_of(c.attr);
  const bool sums = group.result != group.loops;
  return double(group.loops.elements()) * double(group.expression.operations + sums);
}

std::string describe_fused(const Attr& attr) {
  const FusedGroup& group = group_of(attr);
  std::string text = describe_expression(group.expression);
  return group.result == group.loops
             ? fmt::format("{{{}}}", text)
             : fmt::format("{{{}}} over {} to {}", text, group.loops.str(), group.result.str());
}

}  // namespace

const OpDef fused_def{.infer = infer_fused,
                      .kernel = bind_kernel(fused_call),
                      .flops = fused_flops,
                      .describe = describe_fused,
                      .may_overwrite = true};
const OpDef fused_sum_def{.infer = infer_fused,
                          .kernel = bind_kernel(fused_sum_call),
                          .workspace = bind_workspace(fused_sum_workspace),
                          .flops = fused_flops,
                          .describe = describe_fused};

}  // namespace metatape
