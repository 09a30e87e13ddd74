#pragma once

#include "engine/model.h"

namespace metatape {

enum class Downsampling {
  stride,  ///< stride-2 convolutions, then the mean over the last image (the Omniglot net of MAML)
  max,     ///< 2x2 max-pooling after each block, then flattening (everybody else)
};

struct Conv4Options {
  std::int64_t height = 28, width = 28, channels = 1;
  std::int64_t classes = 5;
  std::int64_t filters = 64;
  Downsampling downsampling = Downsampling::stride;
  double batch_norm_epsilon = 1e-5;
  /// Standard deviation of the head's weights; 0: Glorot uniform like the filters.
  double head_deviation = 0;
};

/// Four blocks of 3x3 convolution (pad 1), batch norm, ReLU, downsampling; a linear head.
/// x [N,H,W,C] -> [N,classes]. Finn et al. 2017, arXiv:1703.03400, sec. 5.2, after Vinyals et al.
/// 2016, arXiv:1606.04080. The convolutions have no bias: batch norm would cancel it, so its
/// gradient and Hessian are exactly zero.
/// Parameters: conv<i>.weight, bn<i>.weight, bn<i>.bias (i = 1..4), head.weight, head.bias.
/// Errors: usage, if the image is too small for four halvings.
Model make_conv4(const Conv4Options&);

}  // namespace metatape
