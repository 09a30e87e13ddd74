#pragma once

namespace metatape::kernels {

/// How a GPU forms the products of f32 matrices and convolutions. `fp32` has the accuracy of f32
/// arithmetic (on tensor cores: three compensated TF32 products); `tf32` rounds the factors to 11
/// bits. Sums are f32 in both.
enum class Precision { fp32, tf32 };

}  // namespace metatape::kernels
