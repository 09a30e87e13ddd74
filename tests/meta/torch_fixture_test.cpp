// Whole meta-steps against PyTorch in f64 (tests/oracle/torch_step.py make).

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/exec/cpu_executor.h"
#include "engine/io/file_layout.h"
#include "engine/io/safetensors.h"
#include "meta/programs/programs.h"
#include "models/conv4.h"
#include "tests/support/compare.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

/// [T,N,C,H,W] of a file as [T,N,H,W,C].
std::vector<double> images_last_channel(const TensorView& file, std::vector<double> x) {
  const std::int64_t images = file.shape[0] * file.shape[1], channels = file.shape[2],
                     pixels = file.shape[3] * file.shape[4];
  std::vector<double> y(x.size());
  for (std::int64_t i = 0; i < images; ++i)
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t p = 0; p < pixels; ++p)
        y[std::size_t((i * pixels + p) * channels + c)] =
            x[std::size_t((i * channels + c) * pixels + p)];
  return y;
}

class TorchFixture : public testing::TestWithParam<const char*> {
 protected:
  TorchFixture() : file_(std::string(MT_GOLDEN_FOLDER "/torch/") + GetParam() + ".safetensors") {
    apply_json(config_, nlohmann::json::parse(file_.metadata().at("settings")), GetParam());
    const TensorView& support = file_.at("support_x");
    const TensorView& query = file_.at("query_x");
    config_.outer.tasks = support.shape[0];
    config_.train.precision = "fp64";
    auto extents = [](const TensorView& x) {
      return std::vector<std::int64_t>{x.shape[1], x.shape[3], x.shape[4], x.shape[2]};
    };
    layout_ = {TaskKind::classification, config_.task.ways, extents(support), extents(query)};
    model_ = make_conv4(
        {.height = support.shape[3],
         .width = support.shape[4],
         .channels = support.shape[2],
         .classes = config_.task.ways,
         .filters = config_.model.width,
         .downsampling = config_.model.pool == "max" ? Downsampling::max : Downsampling::stride,
         .batch_norm_epsilon = config_.model.batch_norm_epsilon});
  }

  /// The parameters of the file, as the engine keeps them.
  StateStore parameters() const {
    StateStore store;
    for (const Parameter& p : model_.parameters) {
      const auto values = file_.values<double>("theta/" + p.name);
      store["theta/" + p.name] =
          from_file_layout(Tensor::of<double>(file_shape(p), DType::f64, values), p);
    }
    return store;
  }

  void feed(CpuExecutor& executor) const {
    for (const char* name : {"support_x", "query_x"})
      executor.input(name).set<double>(
          images_last_channel(file_.at(name), file_.values<double>(name)));
    for (const char* name : {"support_y", "query_y"})
      executor.input(name).set<std::int32_t>(file_.values<std::int32_t>(name));
  }

  void expect_same(const Tensor& actual, const std::string& name) const {
    expect_all_near(actual.values(), file_.values<double>(name), tolerance::kOtherFramework, name);
  }

  SafetensorsFile file_;
  Config config_;
  EpisodeLayout layout_;
  Model model_;
};

TEST_P(TorchFixture, HasTheSameLossesAndGradients) {
  for (const bool recompute : {false, true}) {
    if (recompute && config_.inner.order == "first") continue;
    config_.inner.recompute = recompute;
    const RecordedProgram recorded = record_gradients(config_, model_, layout_, {});
    StateStore store = parameters();
    CpuExecutor executor(recorded.program, store);
    feed(executor);
    executor.run();
    expect_same(executor.fetch(0), "loss");
    const std::size_t count = model_.parameters.size();
    for (std::size_t i = 0; i < count; ++i) {
      const Parameter& p = model_.parameters[i];
      expect_same(to_file_layout(executor.fetch(1 + i), p), "meta_grad/" + p.name);
      expect_same(to_file_layout(executor.fetch(1 + count + i), p), "task_grad/" + p.name);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Torch, TorchFixture,
                         testing::Values("maml_stride", "maml_max_pool", "fomaml_stride",
                                         "anil_stride", "boil_stride"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '_');
                           return name;
                         });

}  // namespace
}  // namespace metatape
