// Drawing from a set that stays on the device: which items, and the items themselves. Nothing here
// has a derivative: results are constants of a run.

#include "engine/ops/common.h"
#include "kernels/episodes/episodes.h"

namespace metatape {
namespace {

void require_one_number(const InferCall& c, std::size_t operand, const char* name) {
  require_dtype(c, operand, DType::i32);
  if (c.in[operand].shape != Shape{})
    fail_shape(c, "{} is {}, expected one number shared by all tasks", name,
               c.in[operand].shape.str());
}

double no_flops(const PlanCall&) { return 0; }

// ---- draw_members ------------------------------------------------------------------------------

struct DrawAttr {
  std::uint64_t seed;
  std::int64_t tasks, groups, members;
  kernels::RandomPurpose purpose;
  kernels::Turns turns;
};
static_assert(std::has_unique_object_representations_v<DrawAttr>, "padding would be compared");

ValueType infer_draw(const InferCall& c) {
  const auto a = c.attr.as<DrawAttr>();
  require_one_number(c, 0, "iteration");
  require_one_number(c, 1, "first_task");
  require_dtype(c, 2, DType::i32);
  const Shape& table = c.in[2].shape;
  if (table.tasks() != 1 || table.rank() != 2 || table[1] != 2)
    fail_shape(c, "table is {}, expected [groups,2] shared by all tasks", table.str());
  if (a.tasks < 1 || a.groups < 1 || a.members < 1)
    fail_shape(c, "{} tasks of {} groups of {} members: each must be at least 1", a.tasks, a.groups,
               a.members);
  const std::int64_t pool = table[0] * (a.turns == kernels::Turns::as_groups ? 4 : 1);
  if (a.groups > pool)
    fail_shape(c, "{} distinct groups, table {} gives {} to draw from", a.groups, table.str(),
               pool);
  return {Shape{a.groups, a.members, 2}.with_tasks(a.tasks), DType::i32};
}

constexpr auto draw_call = [](const auto& c) {
  const auto a = attribute<DrawAttr>(c);
  kernels::draw_members({.tasks = a.tasks,
                         .groups = a.groups,
                         .members = a.members,
                         .rows = c.in_types[2].shape[0],
                         .seed = a.seed,
                         .purpose = a.purpose,
                         .turns = a.turns,
                         .iteration = input<std::int32_t>(c, 0),
                         .first_task = input<std::int32_t>(c, 1),
                         .table = input<std::int32_t>(c, 2),
                         .y = output<std::int32_t>(c)},
                        c.context);
};

std::string describe_draw(const Attr& attr) {
  const auto a = attr.as<DrawAttr>();
  return fmt::format("seed={}, purpose={}, turns={}", a.seed, int(a.purpose), int(a.turns));
}

// ---- gather_images -----------------------------------------------------------------------------

struct TypeAttr {
  DType dtype;
};

ValueType infer_gather(const InferCall& c) {
  const DType dtype = c.attr.as<TypeAttr>().dtype;
  if (!is_float(dtype)) fail_dtype(c, "result is {}, expected f32 or f64", dtype_name(dtype));
  require_dtype(c, 0, DType::u8);
  require_dtype(c, 1, DType::i32);
  const Shape &images = c.in[0].shape, &choice = c.in[1].shape;
  if (images.tasks() != 1 || images.rank() != 4)
    fail_shape(c, "images are {}, expected [images,H,W,C] shared by all tasks", images.str());
  if (images.elements_per_task() > images[0] * std::int64_t(INT32_MAX))
    fail_shape(c, "images {} have more than 2^31 - 1 bytes each", images.str());
  if (choice.rank() < 1 || choice[-1] != 2)
    fail_shape(c, "choice is {}, expected [...,2]: an image and its quarter turns", choice.str());
  Shape result = choice.without_last();
  if (result.rank() + 3 > Shape::kMaxRank)
    fail_shape(c, "choice {} has {} axes, at most {} are possible", choice.str(), choice.rank(),
               Shape::kMaxRank - 2);
  for (int axis : {1, 2, 3}) result = result.appended(images[axis]);
  return {result, dtype};
}

constexpr auto gather_call = [](const auto& c) {
  const Shape& images = c.in_types[0].shape;
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::gather_images<T>({.images = images[0],
                               .height = images[1],
                               .width = images[2],
                               .channels = images[3],
                               .count = c.in_types[1].shape.elements() / 2,
                               .x = input<std::uint8_t>(c, 0),
                               .choice = input<std::int32_t>(c, 1),
                               .y = output<T>(c)},
                              c.context);
  });
};

// ---- increment ---------------------------------------------------------------------------------

ValueType infer_increment(const InferCall& c) {
  require_dtype(c, 0, DType::i32);
  return c.in[0];
}

constexpr auto increment_call = [](const auto& c) {
  kernels::increment(c.out_type.shape.elements(), input<std::int32_t>(c, 0),
                     output<std::int32_t>(c), c.context);
};

}  // namespace

const OpDef draw_members_def{.infer = infer_draw,
                             .kernel = bind_kernel(draw_call),
                             .flops = no_flops,
                             .describe = describe_draw};
const OpDef gather_images_def{.infer = infer_gather, .kernel = bind_kernel(gather_call)};
const OpDef increment_def{
    .infer = infer_increment, .kernel = bind_kernel(increment_call), .may_overwrite = true};

Var draw_members(Var iteration, Var first_task, Var table, const DrawOptions& o, Loc where) {
  const DrawAttr a{o.seed, o.tasks, o.groups, o.members, o.purpose, o.turns};
  return table.tape->push(OpId::draw_members, {iteration, first_task, table}, Attr::of(a), where);
}

Var gather_images(Var images, Var choice, DType dtype, Loc where) {
  return images.tape->push(OpId::gather_images, {images, choice}, Attr::of(TypeAttr{dtype}), where);
}

Var increment(Var x, Loc where) { return x.tape->push(OpId::increment, {x}, Attr(), where); }

}  // namespace metatape
