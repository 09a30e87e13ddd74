// Mean and squared deviations in one pass, which passes make of sums. No derivative rule: passes
// run after the derivatives were recorded.

#include "kernels/moments/moments.h"

#include "engine/ops/common.h"

namespace metatape {
namespace {

/// x as [tasks, rows, columns].
template <class T>
kernels::MomentsArgs<T> view_of(const Shape& x) {
  const std::int64_t columns = x[-1];
  return {.tasks = x.tasks(),
          .rows = columns == 0 ? 0 : x.elements_per_task() / columns,
          .columns = columns,
          .x = nullptr,
          .y = nullptr,
          .workspace = nullptr};
}

ValueType infer_moments(const InferCall& c) {
  const DType dtype = require_same_float(c);
  const Shape& x = c.in[0].shape;
  if (x.rank() < 1 || x.elements() == 0)
    fail_shape(c, "x {} has no elements along its last axis", x.str());
  const std::int64_t extents[] = {2, x[-1]};
  return {Shape(x.tasks(), extents), dtype};
}

constexpr auto moments_call = [](const auto& c) {
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::MomentsArgs<T> args = view_of<T>(c.in_types[0].shape);
    args.x = input<T>(c, 0);
    args.y = output<T>(c);
    args.workspace = workspace<T>(c);
    kernels::moments<T>(args, c.context);
  });
};

constexpr auto moments_workspace = [](const PlanCall& c, const auto& context) {
  const auto view = view_of<float>(c.in[0].shape);
  return std::size_t(
             kernels::moments_workspace_elements(view.tasks, view.rows, view.columns, context)) *
         dtype_bytes(c.out.dtype);
};

double moments_flops(const PlanCall& c) { return 4 * double(c.in[0].shape.elements()); }

}  // namespace

const OpDef moments_def{.infer = infer_moments,
                        .kernel = bind_kernel(moments_call),
                        .workspace = bind_workspace(moments_workspace),
                        .flops = moments_flops};

}  // namespace metatape
