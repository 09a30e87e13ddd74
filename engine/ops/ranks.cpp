// What the ranks of a run add up or collect. No derivatives: gradients of tasks are complete before
// they leave their rank.

#include "kernels/ranks/ranks.h"

#include "engine/ops/common.h"
#include "kernels/ranks/communicator.h"

namespace metatape {
namespace {

struct RanksAttr {
  std::int64_t ranks;
};

int ranks_of(const Attr& attr) { return int(attr.as<RanksAttr>().ranks); }

std::string describe_ranks(const Attr& attr) { return fmt::format("ranks={}", ranks_of(attr)); }

ValueType infer_add(const InferCall& c) {
  const DType dtype = require_same_float(c);
  if (c.in[0].shape != c.in[1].shape)
    fail_shape(c, "base is {}, value {}; expected the same shape", c.in[0].shape.str(),
               c.in[1].shape.str());
  return {c.in[0].shape, dtype};
}

ValueType infer_gather(const InferCall& c) {
  const DType dtype = require_same_float(c);
  const Shape& x = c.in[0].shape;
  return {x.with_tasks(x.tasks() * ranks_of(c.attr)), dtype};
}

constexpr auto add_call = [](const auto& c) {
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::add_over_ranks<T>({.count = c.out_type.shape.elements(),
                                .ranks = ranks_of(c.attr),
                                .base = input<T>(c, 0),
                                .value = input<T>(c, 1),
                                .y = output<T>(c),
                                .workspace = workspace<T>(c)},
                               c.context);
  });
};

constexpr auto add_workspace = [](const PlanCall& c, const auto&) {
  return std::size_t(kernels::add_over_ranks_workspace(c.out.shape.elements(), ranks_of(c.attr))) *
         dtype_bytes(c.out.dtype);
};

double add_flops(const PlanCall& c) { return double(c.out.shape.elements()); }

constexpr auto gather_call = [](const auto& c) {
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::gather_over_ranks<T>({.count = c.in_types[0].shape.elements(),
                                   .ranks = ranks_of(c.attr),
                                   .x = input<T>(c, 0),
                                   .y = output<T>(c)},
                                  c.context);
  });
};

double no_flops(const PlanCall&) { return 0; }

void require_ranks(const char* op, int ranks, Loc where) {
  if (ranks < 1) fail_at(where, ErrorKind::usage, op, "found {} ranks, expected at least 1", ranks);
}

}  // namespace

const OpDef add_over_ranks_def{.infer = infer_add,
                               .kernel = bind_kernel(add_call),
                               .workspace = bind_workspace(add_workspace),
                               .flops = add_flops,
                               .describe = describe_ranks,
                               .may_overwrite = true,
                               .communicates = true};
const OpDef gather_over_ranks_def{.infer = infer_gather,
                                  .kernel = bind_kernel(gather_call),
                                  .flops = no_flops,
                                  .describe = describe_ranks,
                                  .communicates = true};

Var add_over_ranks(Var base, Var value, int ranks, Loc where) {
  require_ranks("add_over_ranks", ranks, where);
  return value.tape->push(OpId::add_over_ranks, {base, value}, Attr::of(RanksAttr{ranks}), where);
}

Var gather_over_ranks(Var value, int ranks, Loc where) {
  require_ranks("gather_over_ranks", ranks, where);
  return value.tape->push(OpId::gather_over_ranks, {value}, Attr::of(RanksAttr{ranks}), where);
}

}  // namespace metatape
