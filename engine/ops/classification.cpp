// Log-softmax, the take/put pair at a label, and what counts hits.

#include <algorithm>

#include "engine/ops/common.h"
#include "kernels/label/label.h"
#include "kernels/softmax/softmax.h"

namespace metatape {
namespace {

std::int64_t rows_per_task(const Shape& s) {
  return s[-1] == 0 ? 0 : s.elements_per_task() / s[-1];
}

void require_columns(const InferCall& c) {
  const Shape& x = c.in[0].shape;
  if (x.rank() < 1 || x[-1] < 1) fail_shape(c, "x {} needs a last axis of at least one", x.str());
}

// ---- log_softmax
// -----------------------------------------------------------------------------------

ValueType infer_log_softmax(const InferCall& c) {
  require_columns(c);
  return infer_same(c);
}

constexpr auto log_softmax_call = [](const auto& c) {
  const Shape& s = c.out_type.shape;
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::log_softmax<T>(s.tasks() * rows_per_task(s), s[-1], input<T>(c, 0), output<T>(c),
                            c.context);
  });
};

Cotangents log_softmax_vjp(const Pullback& p) {
  const int last[] = {-1};
  const Var row_sum = sum_axes(p.ct, last, p.where);
  return {sub(p.ct, mul(exp(p.out, p.where), row_sum, p.where), p.where)};
}

// ---- take_label, put_label: each other's adjoints
// ----------------------------------------------------

struct ClassesAttr {
  std::int64_t classes;
};

void require_labels(const InferCall& c, const Shape& rows) {
  require_dtype(c, 1, DType::i32);
  if (c.in[1].shape.with_tasks(1) != rows.with_tasks(1))
    fail_shape(c, "labels {} do not fit, expected {}", c.in[1].shape.str(), rows.str());
}

ValueType infer_take(const InferCall& c) {
  const DType dtype = require_same_float({c.op, c.in.first(1), c.attr, c.where});
  require_columns(c);
  const Shape rows = c.in[0].shape.without_last();
  require_labels(c, rows);
  return {rows.with_tasks(common_tasks(c)), dtype};
}

ValueType infer_put(const InferCall& c) {
  const DType dtype = require_same_float({c.op, c.in.first(1), c.attr, c.where});
  const auto classes = c.attr.as<ClassesAttr>().classes;
  if (classes < 1) fail_shape(c, "{} classes, expected at least one", classes);
  require_labels(c, c.in[0].shape);
  return {c.in[0].shape.with_tasks(common_tasks(c)).appended(classes), dtype};
}

constexpr auto take_call = [](const auto& c) {
  const Shape& x = c.in_types[0].shape;
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::take_label<T>({.tasks = c.out_type.shape.tasks(),
                            .rows = rows_per_task(x),
                            .columns = x[-1],
                            .x_task_stride = task_stride(x),
                            .label_task_stride = task_stride(c.in_types[1].shape),
                            .x = input<T>(c, 0),
                            .label = input<std::int32_t>(c, 1),
                            .y = output<T>(c)},
                           c.context);
  });
};

constexpr auto put_call = [](const auto& c) {
  const Shape& x_bar = c.out_type.shape;
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::put_label<T>({.tasks = x_bar.tasks(),
                           .rows = rows_per_task(x_bar),
                           .columns = x_bar[-1],
                           .y_task_stride = task_stride(c.in_types[0].shape),
                           .label_task_stride = task_stride(c.in_types[1].shape),
                           .y_bar = input<T>(c, 0),
                           .label = input<std::int32_t>(c, 1),
                           .x_bar = output<T>(c)},
                          c.context);
  });
};

Cotangents take_vjp(const Pullback& p) {
  return {sum_like(put_label(p.ct, p.in[1], p.in[0].extent(-1), p.where), p.in[0], p.where)};
}

Cotangents put_vjp(const Pullback& p) {
  return {sum_like(take_label(p.ct, p.in[1], p.where), p.in[0], p.where)};
}

std::string describe_classes(const Attr& attr) {
  return fmt::format("classes={}", attr.as<ClassesAttr>().classes);
}

// ---- argmax, equal_labels
// ----------------------------------------------------------------------------

ValueType infer_argmax(const InferCall& c) {
  require_same_float(c);
  require_columns(c);
  return {c.in[0].shape.without_last(), DType::i32};
}

constexpr auto argmax_call = [](const auto& c) {
  const Shape& x = c.in_types[0].shape;
  with_float(c, c.in_types[0].dtype, [&]<class T>() {
    kernels::argmax<T>(x.tasks() * rows_per_task(x), x[-1], input<T>(c, 0), output<std::int32_t>(c),
                       c.context);
  });
};

struct TypeAttr {
  DType dtype;
};

ValueType infer_equal(const InferCall& c) {
  require_dtype(c, 0, DType::i32);
  require_dtype(c, 1, DType::i32);
  const Shape &a = c.in[0].shape, &b = c.in[1].shape;
  if (a.with_tasks(1) != b.with_tasks(1))
    fail_shape(c, "labels {} and {} differ in extents", a.str(), b.str());
  return {a.with_tasks(common_tasks(c)), c.attr.as<TypeAttr>().dtype};
}

constexpr auto equal_call = [](const auto& c) {
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::equal_labels<T>({.tasks = c.out_type.shape.tasks(),
                              .rows = c.out_type.shape.elements_per_task(),
                              .a_task_stride = task_stride(c.in_types[0].shape),
                              .b_task_stride = task_stride(c.in_types[1].shape),
                              .a = input<std::int32_t>(c, 0),
                              .b = input<std::int32_t>(c, 1),
                              .y = output<T>(c)},
                             c.context);
  });
};

}  // namespace

const OpDef log_softmax_def{.infer = infer_log_softmax,
                            .vjp = log_softmax_vjp,
                            .kernel = bind_kernel(log_softmax_call),
                            .may_overwrite = true};
const OpDef take_label_def{.infer = infer_take, .vjp = take_vjp, .kernel = bind_kernel(take_call)};
const OpDef put_label_def{.infer = infer_put,
                          .vjp = put_vjp,
                          .kernel = bind_kernel(put_call),
                          .describe = describe_classes};
const OpDef argmax_def{.infer = infer_argmax, .kernel = bind_kernel(argmax_call)};
const OpDef equal_labels_def{.infer = infer_equal, .kernel = bind_kernel(equal_call)};

Var log_softmax(Var x, Loc where) { return x.tape->push(OpId::log_softmax, {x}, Attr(), where); }

Var take_label(Var x, Var label, Loc where) {
  return x.tape->push(OpId::take_label, {x, label}, Attr(), where);
}

Var put_label(Var y_bar, Var label, std::int64_t classes, Loc where) {
  return y_bar.tape->push(OpId::put_label, {y_bar, label}, Attr::of(ClassesAttr{classes}), where);
}

Var argmax(Var x, Loc where) { return x.tape->push(OpId::argmax, {x}, Attr(), where); }

Var equal_labels(Var a, Var b, DType dtype, Loc where) {
  return a.tape->push(OpId::equal_labels, {a, b}, Attr::of(TypeAttr{dtype}), where);
}

Var cross_entropy(Var logits, Var label, Loc where) {
  return affine(mean(take_label(log_softmax(logits, where), label, where), where), -1, 0, where);
}

Var accuracy(Var logits, Var label, Loc where) {
  return mean(equal_labels(argmax(logits, where), label, logits.dtype(), where), where);
}

Var mean_squared_error(Var prediction, Var target, Loc where) {
  const Var error = sub(prediction, target, where);
  return affine(dot(error, error, where), 1.0 / double(error.shape().elements_per_task()), 0,
                where);
}

}  // namespace metatape
