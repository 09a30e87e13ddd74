#include "engine/io/file_layout.h"

#include <array>

namespace metatape {
namespace {

/// The parameter as four axes [outer, H, W, C]; files hold [outer, C, H, W].
std::array<std::int64_t, 4> image_extents(const Parameter& p) {
  if (p.layout == FileLayout::filter) return {p.shape[0], p.shape[1], p.shape[2], p.shape[3]};
  return {p.shape[0], p.image[0], p.image[1], p.image[2]};
}

/// Calls visit(position inside, position in the file) for each element of one task.
template <class F>
void for_each_place(const Parameter& p, F&& visit) {
  const auto [outer, height, width, channels] = image_extents(p);
  std::int64_t inside = 0;
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t h = 0; h < height; ++h)
      for (std::int64_t w = 0; w < width; ++w)
        for (std::int64_t c = 0; c < channels; ++c)
          visit(inside++, ((o * channels + c) * height + h) * width + w);
}

template <class F>
void copy_places(const Tensor& from, Tensor& to, const Parameter& p, F&& place_of) {
  const std::size_t size = dtype_bytes(from.dtype());
  const std::int64_t per_task = p.shape.elements();
  for (std::int64_t t = 0; t < from.elements() / per_task; ++t)
    for_each_place(p, [&](std::int64_t inside, std::int64_t file) {
      const auto [source, target] = place_of(inside, file);
      std::memcpy(to.bytes().data() + std::size_t(t * per_task + target) * size,
                  from.bytes().data() + std::size_t(t * per_task + source) * size, size);
    });
}

}  // namespace

Shape file_shape(const Parameter& p) {
  if (p.layout != FileLayout::filter) return p.shape;
  return {p.shape[0], p.shape[3], p.shape[1], p.shape[2]};
}

Tensor to_file_layout(const Tensor& inside, const Parameter& p) {
  if (p.layout == FileLayout::same) return inside;
  Tensor file(file_shape(p).with_tasks(inside.shape().tasks()), inside.dtype());
  copy_places(inside, file, p, [](auto in, auto out) { return std::pair(in, out); });
  return file;
}

Tensor from_file_layout(const Tensor& file, const Parameter& p) {
  if (p.layout == FileLayout::same) return file;
  Tensor inside(p.shape, file.dtype());
  copy_places(file, inside, p, [](auto in, auto out) { return std::pair(out, in); });
  return inside;
}

FileDType file_dtype(DType t) {
  switch (t) {
    case DType::f32:
      return FileDType::f32;
    case DType::f64:
      return FileDType::f64;
    case DType::i32:
      return FileDType::i32;
    case DType::u8:
      return FileDType::u8;
  }
  return FileDType::u8;
}

const Parameter* parameter_of_state(const std::string& state,
                                    std::span<const Parameter> parameters) {
  for (const Parameter& p : parameters)
    if (state == "theta/" + p.name ||
        (state.starts_with("optimizer/") && state.ends_with("/" + p.name)))
      return &p;
  return nullptr;
}

}  // namespace metatape
