#pragma once

#include <span>
#include <string>

#include "engine/io/safetensors.h"
#include "engine/params.h"
#include "engine/tensor.h"

namespace metatape {

/// The order of elements that files use for a parameter: PyTorch's. Inside, images are NHWC.
/// `inside` may carry a task extent; each task's part is permuted alike.
Tensor to_file_layout(const Tensor& inside, const Parameter&);
/// The inverse, for shared (T = 1) values.
Tensor from_file_layout(const Tensor& file, const Parameter&);
/// Extents of the parameter in files.
Shape file_shape(const Parameter&);

/// The type of its elements in files.
FileDType file_dtype(DType);

/// The parameter that a state belongs to (theta/<name>, optimizer/<moment>/<name>), or null.
const Parameter* parameter_of_state(const std::string& state, std::span<const Parameter>);

}  // namespace metatape
