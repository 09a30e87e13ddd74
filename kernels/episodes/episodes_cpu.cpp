#include <algorithm>

#include "kernels/common/parallel.h"
#include "kernels/episodes/episodes.h"
#include "kernels/episodes/one_task.h"

namespace metatape::kernels {

void draw_members(const DrawMembersArgs& args, const CpuContext& context) {
  parallel_for(args.tasks, args.tasks * args.groups * args.members, context,
               [&](std::int64_t t) { draw_task(args, t); });
}

template <class T>
void gather_images(const GatherImagesArgs<T>& args, const CpuContext& context) {
  const int height = int(args.height), width = int(args.width), channels = int(args.channels);
  const std::int64_t size = args.height * args.width * args.channels;
  parallel_for(args.count, args.count * size, context, [&](std::int64_t i) {
    T* y = args.y + i * size;
    const std::int32_t item = args.choice[2 * i];
    if (item < 0 || item >= args.images) {
      std::fill_n(y, size, T(0));
      return;
    }
    const PixelWalk walk = turned_walk(height, width, args.choice[2 * i + 1]);
    const std::uint8_t* image = args.x + item * size;
    for (int r = 0; r < height; ++r)
      for (int c = 0; c < width; ++c) {
        const int pixel = walk.start + r * walk.down + c * walk.right;
        for (int k = 0; k < channels; ++k) *y++ = T(float(image[pixel * channels + k]) / 255.0f);
      }
  });
}

void increment(std::int64_t count, const std::int32_t* x, std::int32_t* y,
               const CpuContext& context) {
  parallel_for(count, count, context,
               [&](std::int64_t i) { y[i] = std::int32_t(std::uint32_t(x[i]) + 1u); });
}

template void gather_images(const GatherImagesArgs<float>&, const CpuContext&);
template void gather_images(const GatherImagesArgs<double>&, const CpuContext&);

}  // namespace metatape::kernels
