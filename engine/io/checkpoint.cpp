#include "engine/io/checkpoint.h"

#include <algorithm>
#include <vector>

#include "engine/io/file_layout.h"
#include "engine/io/safetensors.h"

namespace metatape {
namespace {

DType dtype_of(FileDType t, const std::string& file, const std::string& name) {
  switch (t) {
    case FileDType::f32:
      return DType::f32;
    case FileDType::f64:
      return DType::f64;
    case FileDType::i32:
      return DType::i32;
    case FileDType::u8:
      return DType::u8;
    case FileDType::i64:
      break;
  }
  fail(ErrorKind::io, file, "{} has type I64, which no state of a run has", name);
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint,
                     std::span<const Parameter> parameters) {
  std::vector<Tensor> in_file_layout;
  in_file_layout.reserve(checkpoint.state.size());  // the writer keeps views
  SafetensorsWriter writer;
  for (const auto& [name, tensor] : checkpoint.state) {
    const Parameter* p = parameter_of_state(name, parameters);
    in_file_layout.push_back(p ? to_file_layout(tensor, *p) : tensor);
    const Tensor& t = in_file_layout.back();
    writer.add(name, file_dtype(t.dtype()),
               {t.shape().extents().begin(), t.shape().extents().end()}, t.bytes());
  }
  for (const auto& [key, text] : checkpoint.metadata) writer.set_metadata(key, text);
  writer.write(path);
}

Checkpoint load_checkpoint(const std::filesystem::path& path,
                           std::span<const Parameter> parameters) {
  const SafetensorsFile file(path);
  Checkpoint checkpoint{.state = {}, .metadata = file.metadata()};
  for (const std::string& name : file.names()) {
    const TensorView& view = file.at(name);
    if (view.shape.size() > Shape::kMaxRank)
      fail(ErrorKind::io, path.string(), "{} has {} axes, at most {} are possible", name,
           view.shape.size(), Shape::kMaxRank);
    const Shape shape(1, view.shape);
    const Parameter* p = parameter_of_state(name, parameters);
    if (p && shape != file_shape(*p))
      fail(ErrorKind::io, path.string(),
           "{} is {}, this model needs {}: the checkpoint is of another model or task (compare its "
           "config.json)",
           name, shape.str(), file_shape(*p).str());
    Tensor tensor(shape, dtype_of(view.dtype, path.string(), name));
    std::ranges::copy(view.bytes, tensor.bytes().begin());  // there may be none
    checkpoint.state[name] = p ? from_file_layout(tensor, *p) : std::move(tensor);
  }
  for (const Parameter& p : parameters)
    if (!checkpoint.state.contains("theta/" + p.name))
      fail(ErrorKind::io, path.string(),
           "it has no parameter {}: the checkpoint is of another model (compare its config.json)",
           p.name);
  return checkpoint;
}

}  // namespace metatape
