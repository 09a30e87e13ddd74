#pragma once

// The convolutional layers of the workloads (bench/peers/workloads.json), as kernels see them.

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

namespace metatape::bench {

/// A 3x3 convolution with pad 1 of each task's images.
struct Layer {
  std::string where;
  std::int64_t tasks, images, side, channels, filters, stride = 1;

  std::int64_t out_side() const { return (side - 1) / stride + 1; }
};

/// The layers of Conv4 with 64 filters. With 2x2 pooling 28 -> 14 -> 7 -> 3, 84 -> 42 -> 21 -> 10;
/// with stride 2 instead 28 -> 14 -> 7 -> 4.
inline void add_conv4(std::vector<Layer>& layers, const std::string& where, std::int64_t tasks,
                      std::int64_t images, std::int64_t side, std::int64_t channels,
                      std::int64_t stride = 1) {
  for (int layer = 1; layer <= 4; ++layer, channels = 64) {
    layers.push_back(
        {fmt::format("{} conv{}", where, layer), tasks, images, side, channels, 64, stride});
    side = stride == 1 ? side / 2 : layers.back().out_side();
  }
}

/// W1 to W5: what a GPU is measured with.
inline std::vector<Layer> gpu_layers() {
  std::vector<Layer> layers;
  add_conv4(layers, "W1 support", 32, 5, 28, 1);
  add_conv4(layers, "W1 query", 32, 75, 28, 1);
  add_conv4(layers, "W2 support", 16, 20, 28, 1);
  add_conv4(layers, "W3 support", 4, 5, 84, 3);
  add_conv4(layers, "W3 query", 4, 75, 84, 3);
  add_conv4(layers, "W4 support", 4, 25, 84, 3);
  layers.push_back({"W5 support block1", 4, 5, 84, 64, 64});
  layers.push_back({"W5 support block2", 4, 5, 42, 160, 160});
  layers.push_back({"W5 support block3", 4, 5, 21, 320, 320});
  layers.push_back({"W5 support block4", 4, 5, 10, 640, 640});
  return layers;
}

/// C1 to C5: what a CPU is measured with.
inline std::vector<Layer> cpu_layers() {
  std::vector<Layer> layers;
  add_conv4(layers, "C1 support", 32, 5, 28, 1, 2);
  add_conv4(layers, "C2 support", 4, 25, 28, 1);
  add_conv4(layers, "C3 support", 4, 5, 84, 3);
  add_conv4(layers, "C4 support", 4, 25, 84, 3);
  layers.push_back({"C5 support block1", 1, 5, 84, 64, 64});
  layers.push_back({"C5 support block2", 1, 5, 42, 128, 128});
  layers.push_back({"C5 support block3", 1, 5, 21, 256, 256});
  layers.push_back({"C5 support block4", 1, 5, 10, 512, 512});
  return layers;
}

}  // namespace metatape::bench
