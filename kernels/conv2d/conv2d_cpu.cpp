// The maps of conv2d.h on the CPU: by which method, and the call of it.

#include "kernels/conv2d/conv2d_cpu.h"

#include <algorithm>

#include "kernels/common/divisor.h"
#include "kernels/conv2d/extents.h"
#include "kernels/conv2d/patches.h"

namespace metatape::kernels {
namespace {

using std::int64_t;

template <class Args>
void run(const Args& args, ConvMethod method, const CpuContext& context) {
  switch (method) {
    case ConvMethod::winograd:
      return conv2d_winograd(args, context);
    case ConvMethod::few_channels:
      if constexpr (!requires { args.x_bar; }) return conv2d_few_channels(args, context);
      break;  // nobody asks it for the input gradient
    case ConvMethod::onednn:
#if MT_HAVE_ONEDNN
      return conv2d_onednn(args, context);
#endif  // otherwise nobody asks for it: supports() says no
    case ConvMethod::patches:
      return conv2d_patches(args, context);
  }
}

/// Pixels of one task's results.
int64_t pixels(const Conv2dGeometry& g) { return g.images * g.out_height() * g.out_width(); }

/// Whether Winograd's algorithm is faster than direct convolution, by the multiply-adds of both.
/// The constants are what its other work takes, in the time of multiply-adds: for a tile with each
/// channel, and for a filter (NOTES.md). Filters of more channels leave the caches at 36 points.
bool winograd_wins(ConvMap map, const Conv2dGeometry& g) {
  constexpr int64_t kCachedFilters = 320 * 320, kForChannel = 28 * 36;
  const int64_t tiles = g.images * ceil_div(g.out_height(), 4) * ceil_div(g.out_width(), 4);
  const int64_t filters = g.channels * g.filters, channels = g.channels + g.filters;
  const bool from_memory = filters > kCachedFilters;
  const int64_t for_filter = 9 * (map == ConvMap::weight_grad ? 60 : from_memory ? 500 : 120);
  const int64_t for_tile = 36 * filters + kForChannel * channels;
  return tiles * (from_memory ? for_tile + for_tile / 4 : for_tile) + for_filter * filters <
         pixels(g) * 9 * filters;
}

/// From so many channels on the gradients of oneDNN are good, and own loops no better.
constexpr int64_t kManyChannels = 8;

/// Whether own loops for few channels are faster than oneDNN: forward where a filter has few
/// elements, and for the gradient wherever y_bar comes from memory.
bool few_channels_wins(ConvMap map, const Conv2dGeometry& g) {
  return map == ConvMap::weight_grad || patch_size(g) <= 16;
}

/// Whether a task has work enough to repay what oneDNN's layout of the filters and its calls cost,
/// and channels enough for its gradients.
bool onednn_wins(ConvMap map, const Conv2dGeometry& g) {
  if (map == ConvMap::forward) return pixels(g) >= 200;
  return g.channels >= kManyChannels && pixels(g) >= (map == ConvMap::weight_grad ? 500 : 200);
}

/// double has one method.
int64_t workspace(ConvMap map, const Conv2dGeometry& g, const CpuContext& context) {
  const int64_t in_float =
      conv2d_workspace_elements(map, g, choose_method(map, g, context), context);
  return std::max(in_float, conv2d_patches_workspace(map, g, context));
}

}  // namespace

bool supports(ConvMethod method, [[maybe_unused]] ConvMap map, const Conv2dGeometry& g) {
  switch (method) {
    case ConvMethod::winograd:
      return winograd_supports(g);
    case ConvMethod::few_channels:
      return few_channels_supports(map, g);
    case ConvMethod::onednn:
#if MT_HAVE_ONEDNN
      return onednn_supports(map, g);
#else
      return false;
#endif
    case ConvMethod::patches:
      break;
  }
  return true;
}

ConvMethod choose_method(ConvMap map, const Conv2dGeometry& g, const CpuContext& context) {
  if (context.winograd && winograd_supports(g) && winograd_wins(map, g))
    return ConvMethod::winograd;
  const bool few_channels = g.channels < kManyChannels && few_channels_supports(map, g);
  if (few_channels && few_channels_wins(map, g)) return ConvMethod::few_channels;
  if (onednn_wins(map, g) && supports(ConvMethod::onednn, map, g)) return ConvMethod::onednn;
  return few_channels ? ConvMethod::few_channels : ConvMethod::patches;
}

int64_t conv2d_workspace_elements(ConvMap map, const Conv2dGeometry& g, ConvMethod method,
                                  const CpuContext& context) {
  switch (method) {
    case ConvMethod::winograd:
      return conv2d_winograd_workspace(map, g, context);
    case ConvMethod::few_channels:
      return conv2d_few_channels_workspace(map, g, context);
    case ConvMethod::onednn:
#if MT_HAVE_ONEDNN
      return conv2d_onednn_workspace(map, g, context);
#endif
    case ConvMethod::patches:
      break;
  }
  return conv2d_patches_workspace(map, g, context);
}

void conv2d(const Conv2dArgs<float>& args, ConvMethod method, const CpuContext& context) {
  run(args, method, context);
}
void conv2d_input_grad(const Conv2dInputGradArgs<float>& args, ConvMethod method,
                       const CpuContext& context) {
  run(args, method, context);
}
void conv2d_weight_grad(const Conv2dWeightGradArgs<float>& args, ConvMethod method,
                        const CpuContext& context) {
  run(args, method, context);
}

template <>
void conv2d(const Conv2dArgs<float>& args, const CpuContext& context) {
  run(args, choose_method(ConvMap::forward, args.geometry, context), context);
}
template <>
void conv2d_input_grad(const Conv2dInputGradArgs<float>& args, const CpuContext& context) {
  run(args, choose_method(ConvMap::input_grad, args.geometry, context), context);
}
template <>
void conv2d_weight_grad(const Conv2dWeightGradArgs<float>& args, const CpuContext& context) {
  run(args, choose_method(ConvMap::weight_grad, args.geometry, context), context);
}

template <>
void conv2d(const Conv2dArgs<double>& args, const CpuContext& context) {
  conv2d_patches(args, context);
}
template <>
void conv2d_input_grad(const Conv2dInputGradArgs<double>& args, const CpuContext& context) {
  conv2d_patches(args, context);
}
template <>
void conv2d_weight_grad(const Conv2dWeightGradArgs<double>& args, const CpuContext& context) {
  conv2d_patches(args, context);
}

int64_t conv2d_workspace_elements(const Conv2dGeometry& g, const CpuContext& context) {
  return workspace(ConvMap::forward, g, context);
}
int64_t conv2d_input_grad_workspace_elements(const Conv2dGeometry& g, const CpuContext& context) {
  return workspace(ConvMap::input_grad, g, context);
}
int64_t conv2d_weight_grad_workspace_elements(const Conv2dGeometry& g, const CpuContext& context) {
  return workspace(ConvMap::weight_grad, g, context);
}

}  // namespace metatape::kernels
