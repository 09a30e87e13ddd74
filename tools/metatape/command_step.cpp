#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/io/file_layout.h"
#include "engine/io/safetensors.h"
#include "meta/programs/memory.h"
#include "meta/programs/programs.h"
#include "meta/programs/training_programs.h"
#include "meta/settings/recipe.h"
#include "meta/training/episode_feed.h"
#include "models/initialisation.h"
#include "tools/metatape/assemble.h"
#include "tools/metatape/command.h"

namespace metatape {
namespace {

/// Collects tensors for one file. The writer keeps views, so the bytes are kept here.
class DumpFile {
 public:
  void add(const std::string& name, const Tensor& t, std::vector<std::int64_t> shape) {
    kept_.push_back(std::make_unique<Tensor>(t));
    writer_.add(name, file_dtype(t.dtype()), std::move(shape), kept_.back()->bytes());
  }

  /// A value of one parameter, in the order of other frameworks; `with_tasks` keeps T in front.
  void add_parameter(const std::string& name, const Tensor& inside, const Parameter& p,
                     bool with_tasks) {
    const Tensor t = to_file_layout(inside, p);
    std::vector<std::int64_t> shape(t.shape().extents().begin(), t.shape().extents().end());
    if (with_tasks) shape.insert(shape.begin(), t.shape().tasks());
    add(name, t, std::move(shape));
  }

  /// Inputs [T,N,H,W,C] as [T,N,C,H,W]; anything else as it is, T in front.
  void add_input(const std::string& name, const Tensor& t) {
    std::vector<std::int64_t> shape(t.shape().extents().begin(), t.shape().extents().end());
    shape.insert(shape.begin(), t.shape().tasks());
    if (shape.size() != 5) return add(name, t, shape);
    const std::int64_t images = shape[0] * shape[1];
    const Parameter as_image{.name = name,
                             .group = "",
                             .shape = {images, shape[2], shape[3], shape[4]},
                             .layout = FileLayout::filter};
    Tensor flat(as_image.shape, t.dtype());
    std::memcpy(flat.bytes().data(), t.bytes().data(), t.bytes().size());
    add(name, to_file_layout(flat, as_image), {shape[0], shape[1], shape[4], shape[2], shape[3]});
  }

  void write(const std::string& path, const nlohmann::json& settings) {
    writer_.set_metadata("format", "metatape-step-1").set_metadata("settings", settings.dump());
    writer_.write(path);
  }

 private:
  SafetensorsWriter writer_;
  std::vector<std::unique_ptr<Tensor>> kept_;
};

}  // namespace

void step_command(const StepArguments& a, const Output& output) {
  const RunArguments& o = a.run;
  Config config = settings_at(o.resolve().config, 0);
  if (!a.dtype.empty()) config.train.precision = a.dtype == "f64" ? "fp64" : "fp32";
  const Target target = o.target(config);
  require_device(target.device);
  const DataSet data = open_data(config, o.data);
  const Workload w = assemble(config, data);
  const RecordedProgram recorded = record_gradients(config, w.model, w.training->layout(), target);
  check_memory(memory_need(recorded.program), config);
  StateStore store;
  initialise(store, w.model.parameters, precision_of(config), std::uint64_t(config.seed));
  begin_average(recorded.program, store);
  const auto executor = make_executor(recorded.program, store);
  EpisodeBatch batch;
  w.training->draw(0, 0, std::uint32_t(config.outer.tasks), batch);
  feed_episodes(*executor, batch);
  executor->run();
  for (const std::string& line : executor->warnings()) output.say(line);
  const std::size_t count = w.model.parameters.size();
  for (std::size_t k = 0; k < recorded.assumptions.size(); ++k)
    if (const double broken = executor->fetch(1 + 2 * count + k).at(0); broken > 0)
      fail(ErrorKind::numerical, "step", "{} of {} tasks: {}", broken, config.outer.tasks,
           recorded.assumptions[k]);

  DumpFile dump;
  for (const Parameter& p : w.model.parameters)
    dump.add_parameter("theta/" + p.name, store.at("theta/" + p.name), p, false);
  for (const char* name : {"support_x", "support_y", "query_x", "query_y"})
    if (executor->has_input(name)) dump.add_input(name, executor->input(name));
  const Tensor loss = executor->fetch(0);
  dump.add("loss", loss, {config.outer.tasks});
  for (std::size_t i = 0; i < count; ++i) {
    const Parameter& p = w.model.parameters[i];
    dump.add_parameter("meta_grad/" + p.name, executor->fetch(1 + i), p, false);
    dump.add_parameter("task_grad/" + p.name, executor->fetch(1 + count + i), p, true);
  }
  dump.write(a.dump, to_json(config));

  double mean = 0;
  for (double l : loss.values()) mean += l / double(loss.elements());
  output.result({{"file", a.dump}, {"loss", mean}, {"tasks", config.outer.tasks}},
                fmt::format("{}: one meta-step of {} tasks, mean loss {:.6f}", a.dump,
                            config.outer.tasks, mean));
}

}  // namespace metatape
