// Elementwise expressions, sums of them and the places of their maxima, as the fusion pass makes
// them. They have no derivative rule and no function in ops.h: passes run after the derivatives
// were recorded.

#include "engine/passes/fused_group.h"

#include "engine/ops/attributes.h"
#include "engine/ops/common.h"
#include "kernels/fused/fused.h"

namespace metatape {
namespace {

const FusedGroup& group_of(const Attr& attr) { return *attr.as<FusedAttr>().group; }

/// The shape by which the expression sees an operand.
Shape seen_shape(const FusedGroup& group, std::size_t operand, const Shape& given) {
  return group.expression.is_scattered(int(operand)) ? group.scattered_to : given;
}

void require_operands(const InferCall& c, const FusedGroup& group) {
  const auto operands = std::size_t(group.expression.operands);
  const bool scatters = group.expression.scattered != 0;
  if (c.in.size() != operands + scatters)
    fail_shape(c, "{} operands, the expression has {}", c.in.size(), operands + scatters);
  for (std::size_t k = 0; k < operands; ++k) {
    if (!broadcasts_to(seen_shape(group, k, c.in[k].shape), group.loops))
      fail_shape(c, "operand {} does not stretch to {}", c.in[k].shape.str(), group.loops.str());
    if (group.expression.is_scattered(int(k)) && c.in[k].shape != c.in[operands].shape)
      fail_shape(c, "operand {} is scattered by an index {}", c.in[k].shape.str(),
                 c.in[operands].shape.str());
  }
  if (scatters) require_dtype(c, operands, DType::u8);
}

ValueType infer_fused(const InferCall& c) {
  const FusedGroup& group = group_of(c.attr);
  require_operands(c, group);
  const auto operands = c.in.first(std::size_t(group.expression.operands));
  if (!broadcasts_to(group.result, group.loops))
    fail_shape(c, "{} cannot be summed to {}", group.loops.str(), group.result.str());
  return {group.result, require_same_float({c.op, operands, c.attr, c.where})};
}

ValueType infer_fused_pool_index(const InferCall& c) {
  const FusedGroup& group = group_of(c.attr);
  require_operands(c, group);
  require_same_float(c);
  return {group.result, DType::u8};
}

template <class T, class Call>
kernels::FusedArgs<T> arguments(const FusedGroup& group, const Call& c, T* y) {
  const auto operands = std::size_t(group.expression.operands);
  kernels::FusedArgs<T> args{
      .expression = group.expression, .loops = loops_of(group.loops), .y = y};
  for (std::size_t k = 0; k < operands; ++k) {
    args.strides[k] = strides_over(seen_shape(group, k, c.in_types[k].shape), group.loops);
    args.operands[k] = input<T>(c, k);
  }
  if (group.expression.scattered != 0)
    args.scattering = {pool_geometry(group.scattered_to, group.pool),
                       input<kernels::WindowPlace>(c, operands)};
  return args;
}

constexpr auto fused_call = [](const auto& c) {
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::fused<T>(arguments<T>(group_of(c.attr), c, output<T>(c)), c.context);
  });
};

constexpr auto fused_sum_call = [](const auto& c) {
  const FusedGroup& group = group_of(c.attr);
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::fused_sum<T>({.terms = arguments<T>(group, c, output<T>(c)),
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

constexpr auto fused_pool_index_call = [](const auto& c) {
  const FusedGroup& group = group_of(c.attr);
  with_float(c, c.in_types[0].dtype, [&]<class T>() {
    kernels::fused_pool_index<T>({.terms = arguments<T>(group, c, nullptr),
                                  .pool = pool_geometry(group.loops, group.pool),
                                  .index = output<kernels::WindowPlace>(c),
                                  .workspace = workspace<T>(c)},
                                 c.context);
  });
};

constexpr auto fused_pool_index_workspace = [](const PlanCall& c, const auto& context) {
  const FusedGroup& group = group_of(c.attr);
  return std::size_t(kernels::fused_pool_index_workspace_elements(
             pool_geometry(group.loops, group.pool), context)) *
         dtype_bytes(c.in[0].dtype);
};

double fused_flops(const PlanCall& c) {
  const FusedGroup& group = group_of(c.attr);
  const bool reduces = group.result != group.loops;
  return double(group.loops.elements()) * double(group.expression.operations + reduces);
}

std::string describe_fused(const Attr& attr) {
  const FusedGroup& group = group_of(attr);
  const std::string text = describe_expression(group.expression);
  return group.result == group.loops
             ? fmt::format("{{{}}}", text)
             : fmt::format("{{{}}} over {} to {}", text, group.loops.str(), group.result.str());
}

std::string describe_fused_pool_index(const Attr& attr) {
  const FusedGroup& group = group_of(attr);
  return fmt::format("{{{}}} over {}, {}", describe_expression(group.expression), group.loops.str(),
                     op_def(OpId::max_pool_index).describe(group.pool));
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
const OpDef fused_pool_index_def{.infer = infer_fused_pool_index,
                                 .kernel = bind_kernel(fused_pool_index_call),
                                 .workspace = bind_workspace(fused_pool_index_workspace),
                                 .flops = fused_flops,
                                 .describe = describe_fused_pool_index};

}  // namespace metatape
