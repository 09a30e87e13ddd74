#pragma once

#include <array>

#include "engine/model.h"

namespace metatape {

struct ResNet12Options {
  std::int64_t height = 84, width = 84, channels = 3;
  std::int64_t classes = 5;
  /// Channels of the blocks. 64-128-256-512: Oh et al. 2021 (BOIL), arXiv:2008.08882;
  /// 64-160-320-640: Lee et al. 2019 (MetaOptNet), arXiv:1904.03758.
  std::array<std::int64_t, 4> widths = {64, 128, 256, 512};
  double batch_norm_epsilon = 1e-5;
  /// Standard deviation of the head's weights; 0: Glorot uniform.
  double head_deviation = 0;
};

/// Four residual blocks, the mean over the last image, a linear head. x [N,H,W,C] -> [N,classes].
/// A block: three 3x3 convolutions (pad 1), each with batch norm, with leaky ReLU of slope 0.1
/// between them; a shortcut of 1x1 convolution and batch norm is added; leaky ReLU; 2x2
/// max-pooling, which leaves out an odd last row or column. Oreshkin et al. 2018,
/// arXiv:1805.10123, with the slope and the shortcut of Lee et al. 2019; the mean over the image as
/// in Oh et al. 2021 (Lee et al. flatten it). No DropBlock, no dropout. The convolutions have no
/// bias and start He-normal by their outputs, as in the code of both.
/// Parameters: block<b>.conv<i>.weight, block<b>.bn<i>.weight, block<b>.bn<i>.bias (i = 1..3),
/// block<b>.shortcut_conv.weight, block<b>.shortcut_bn.weight, block<b>.shortcut_bn.bias
/// (b = 1..4), head.weight, head.bias.
/// Errors: usage, if the image is too small for four halvings.
Model make_resnet12(const ResNet12Options&);

}  // namespace metatape
