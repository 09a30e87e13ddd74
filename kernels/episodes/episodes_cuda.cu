#include "kernels/common/cuda_context.h"
#include "kernels/common/launch.cuh"
#include "kernels/common/vector.cuh"
#include "kernels/episodes/episodes.h"
#include "kernels/episodes/one_task.h"

namespace metatape::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kWidth = 4;  // floats of one 16-byte write

/// A task's stream is sequential and tasks branch differently: one block of one thread each.
__global__ void draw_members_kernel(DrawMembersArgs args) { draw_task(args, blockIdx.x); }

struct ImageExtents {
  std::int64_t images;
  int height, width, channels;
  __device__ int size() const { return height * width * channels; }
};

/// The image that a block gathers.
struct ChosenImage {
  const std::uint8_t* bytes;  ///< null: the choice is outside of the set
  PixelWalk walk;

  /// Element e of the turned image.
  __device__ std::uint8_t byte(int e, const ImageExtents& of) const {
    const int pixel = e / of.channels;
    const int from = walk.start + pixel / of.width * walk.down + pixel % of.width * walk.right;
    return bytes[from * of.channels + e % of.channels];
  }
  __device__ bool is_turned() const { return walk.right != 1; }
};

__device__ ChosenImage chosen_image(const ImageExtents& of, const std::uint8_t* x,
                                    const std::int32_t* choice) {
  const std::int32_t item = choice[2 * std::int64_t(blockIdx.x)];
  const bool inside = item >= 0 && item < of.images;
  return {inside ? x + item * std::int64_t(of.size()) : nullptr,
          turned_walk(of.height, of.width, choice[2 * std::int64_t(blockIdx.x) + 1])};
}

/// One block for each chosen image. Writes are kElements wide, and so are reads where the
/// image is not turned; a turned one is read byte by byte, out of the first-level cache.
template <int kElements>
__global__ void gather_images_kernel(ImageExtents of, const std::uint8_t* x,
                                     const std::int32_t* choice, float* y) {
  const ChosenImage image = chosen_image(of, x, choice);
  float* out = y + blockIdx.x * std::int64_t(of.size());
  for (int e = int(threadIdx.x) * kElements; e < of.size(); e += kThreads * kElements) {
    Vector<std::uint8_t, kElements> bytes{};
    if (image.bytes && !image.is_turned()) {
      bytes = load<kElements>(image.bytes + e);
    } else if (image.bytes) {
      MT_UNROLL
      for (int k = 0; k < kElements; ++k) bytes[k] = image.byte(e + k, of);
    }
    Vector<float, kElements> units;
    MT_UNROLL
    for (int k = 0; k < kElements; ++k) units[k] = float(bytes[k]) / 255.0f;
    store(out + e, units);
  }
}

__global__ void increment_kernel(std::int64_t count, const std::int32_t* x, std::int32_t* y) {
  const std::int64_t i = std::int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (i < count) y[i] = std::int32_t(std::uint32_t(x[i]) + 1u);
}

}  // namespace

void draw_members(const DrawMembersArgs& args, const CudaContext& context) {
  if (args.tasks == 0) return;
  MT_LAUNCH(draw_members_kernel, unsigned(args.tasks), 1, 0, context.stream)(args);
}

template <>
void gather_images(const GatherImagesArgs<float>& args, const CudaContext& context) {
  if (args.count == 0) return;
  const ImageExtents of{args.images, int(args.height), int(args.width), int(args.channels)};
  const std::int64_t size = args.height * args.width * args.channels;
  const auto count = unsigned(args.count);
  if (size % kWidth == 0 && is_aligned(args.x, kWidth) &&
      is_aligned(args.y, kWidth * sizeof(float))) {
    MT_LAUNCH(gather_images_kernel<kWidth>, count, kThreads, 0, context.stream)
    (of, args.x, args.choice, args.y);
  } else {
    MT_LAUNCH(gather_images_kernel<1>, count, kThreads, 0, context.stream)
    (of, args.x, args.choice, args.y);
  }
}

void increment(std::int64_t count, const std::int32_t* x, std::int32_t* y,
               const CudaContext& context) {
  if (count == 0) return;
  MT_LAUNCH(increment_kernel, unsigned((count + kThreads - 1) / kThreads), kThreads, 0,
            context.stream)
  (count, x, y);
}

}  // namespace metatape::kernels
