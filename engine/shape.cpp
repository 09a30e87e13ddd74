#include "engine/shape.h"

#include <algorithm>

#include "engine/error.h"

namespace metatape {

std::size_t dtype_bytes(DType t) {
  switch (t) {
    case DType::f32:
      return 4;
    case DType::f64:
      return 8;
    case DType::i32:
      return 4;
    case DType::u8:
      return 1;
  }
  return 0;
}

const char* dtype_name(DType t) {
  switch (t) {
    case DType::f32:
      return "f32";
    case DType::f64:
      return "f64";
    case DType::i32:
      return "i32";
    case DType::u8:
      return "u8";
  }
  return "?";
}

Shape::Shape(std::int64_t tasks, std::span<const std::int64_t> extents) : tasks_(tasks) {
  if (extents.size() > kMaxRank)
    fail(ErrorKind::shape, "shape", "a value has {} axes per task, at most {} are possible",
         extents.size(), kMaxRank);
  rank_ = int(extents.size());
  std::copy(extents.begin(), extents.end(), extents_.begin());
  for (std::int64_t e : extents)
    if (e < 0) fail(ErrorKind::shape, "shape", "extent {} is negative", e);
  if (tasks < 1) fail(ErrorKind::shape, "shape", "task extent {} is below 1", tasks);
}

std::int64_t Shape::elements_per_task() const {
  std::int64_t n = 1;
  for (std::int64_t e : extents()) n *= e;
  return n;
}

Shape Shape::with_tasks(std::int64_t tasks) const {
  Shape s = *this;
  s.tasks_ = tasks;
  return s;
}

Shape Shape::with_extent(int axis, std::int64_t extent) const {
  Shape s = *this;
  s.extents_[axis < 0 ? rank_ + axis : axis] = extent;
  return s;
}

Shape Shape::without_last(int count) const {
  return Shape(tasks_, extents().first(std::size_t(rank_ - count)));
}

Shape Shape::appended(std::int64_t extent) const {
  Shape s = *this;
  if (rank_ == kMaxRank) fail(ErrorKind::shape, "shape", "{} cannot take another axis", str());
  s.extents_[s.rank_++] = extent;
  return s;
}

std::string Shape::str() const {
  std::string text = tasks_ == 1 ? "" : fmt::format("{}x", tasks_);
  text += '[';
  for (int axis = 0; axis < rank_; ++axis)
    text += fmt::format("{}{}", axis ? "," : "", extents_[axis]);
  return text + ']';
}

bool broadcast_shapes(const Shape& a, const Shape& b, Shape* result) {
  auto stretch = [](std::int64_t x, std::int64_t y, std::int64_t* out) {
    *out = x == 1 ? y : x;
    return x == y || x == 1 || y == 1;
  };
  std::int64_t tasks;
  if (!stretch(a.tasks(), b.tasks(), &tasks)) return false;
  const int rank = std::max(a.rank(), b.rank());
  std::array<std::int64_t, Shape::kMaxRank> extents{};
  for (int back = 1; back <= rank; ++back) {
    const std::int64_t x = back <= a.rank() ? a[-back] : 1;
    const std::int64_t y = back <= b.rank() ? b[-back] : 1;
    if (!stretch(x, y, &extents[rank - back])) return false;
  }
  *result = Shape(tasks, std::span(extents).first(rank));
  return true;
}

bool broadcasts_to(const Shape& from, const Shape& to) {
  Shape both;
  return broadcast_shapes(from, to, &both) && both == to;
}

}  // namespace metatape
