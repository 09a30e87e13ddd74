#pragma once

#include "engine/model.h"

namespace metatape {

enum class Downsampling {
  stride,  ///< stride-2 convolutions, then the mean over the last image (the Omniglot net of MAML)
  max,     ///< 2x2 max-pooling in each block, then flattening (everybody else)
};

struct Conv4Options {
  std::int64_t height = 28, width = 28, channels = 1;
  std::int64_t classes = 5;
  std::int64_t filters = 64;
  Downsampling downsampling = Downsampling::stride;
  double batch_norm_epsilon = 1e-5;
  /// Standard deviation of the head's weights; 0: Glorot uniform like the filters.
  double head_deviation = 0;
  std::int64_t context = 0;  ///< context parameters; 0: none, and nothing that reads them
};

/// Four blocks of 3x3 convolution (pad 1), batch norm, downsampling, ReLU; a linear head.
/// x [N,H,W,C] -> [N,classes]. Finn et al. 2017, arXiv:1703.03400, sec. 5.2, after Vinyals et al.
/// 2016, arXiv:1606.04080. The convolutions have no bias.
/// Parameters: conv<i>.weight, bn<i>.weight, bn<i>.bias (i = 1..4), head.weight, head.bias.
///
/// With context, block 3 scales and shifts its channels before the ReLU (FiLM, Perez et al. 2018,
/// arXiv:1709.07871): x -> x (W_s c + b_s) + (W_t c + b_t), c [context]. CAVIA, Zintgraf et al.
/// 2019, arXiv:1810.03642, with the choice of block of its code. It starts from b_s = 1, b_t = 0
/// and He-uniform W, so that a context of zero is the network without it; their code draws b_s and
/// b_t near zero.
/// Parameters: film_scale.weight, film_scale.bias, film_shift.weight, film_shift.bias (body) and
/// context, after all others.
/// Errors: usage, if the image is too small for four halvings.
Model make_conv4(const Conv4Options&);

}  // namespace metatape
