#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace metatape {

enum class DType : std::uint8_t { f32, f64, i32, u8 };

std::size_t dtype_bytes(DType);
const char* dtype_name(DType);
inline bool is_float(DType t) { return t == DType::f32 || t == DType::f64; }

/// Extents of one value: a task extent T, then at most five extents per task, dense row-major.
///
/// T = 1 means one value shared by all tasks. Everything else (axes, ranks, broadcasting of
/// extents) speaks of the value of one task. Written `32x[5,14,14,64]`, or `[64]` when shared.
class Shape {
 public:
  static constexpr int kMaxRank = 5;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> extents)
      : Shape(1, std::span(extents.begin(), extents.size())) {}
  Shape(std::int64_t tasks, std::span<const std::int64_t> extents);

  std::int64_t tasks() const { return tasks_; }
  int rank() const { return rank_; }
  /// Extent of an axis; negative axes count from the end.
  std::int64_t operator[](int axis) const { return extents_[axis < 0 ? rank_ + axis : axis]; }
  std::span<const std::int64_t> extents() const { return {extents_.data(), std::size_t(rank_)}; }

  std::int64_t elements_per_task() const;
  std::int64_t elements() const { return tasks_ * elements_per_task(); }

  Shape with_tasks(std::int64_t tasks) const;
  Shape with_extent(int axis, std::int64_t extent) const;
  /// Without the last `count` axes.
  Shape without_last(int count = 1) const;
  Shape appended(std::int64_t extent) const;

  bool operator==(const Shape&) const = default;
  std::string str() const;

 private:
  std::int64_t tasks_ = 1;
  std::array<std::int64_t, kMaxRank> extents_{};
  int rank_ = 0;
};

/// The shape both operands stretch to: task extents are equal or 1; per-task extents are aligned at
/// the last axis and equal or 1. Returns false if there is none.
bool broadcast_shapes(const Shape& a, const Shape& b, Shape* result);

/// True if `from` stretches to exactly `to`.
bool broadcasts_to(const Shape& from, const Shape& to);

}  // namespace metatape
