#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "meta/data/task_folders.h"
#include "meta/programs/memory.h"
#include "meta/programs/programs.h"
#include "meta/training/episode_feed.h"
#include "meta/training/run_folder.h"
#include "tools/metatape/assemble.h"
#include "tools/metatape/command.h"

namespace metatape {
namespace {

using nlohmann::json;

/// Probabilities of one query image, and its classes from the likeliest on.
struct Prediction {
  std::string file;
  std::vector<double> probabilities;
  std::vector<std::size_t> order;
};

EpisodeLayout layout_of(const TaskFolders& task, const ImageForm& form) {
  auto extents = [&](std::size_t images) {
    return std::vector<std::int64_t>{std::int64_t(images), form.height, form.width, form.channels};
  };
  return {TaskKind::classification, task.ways(), extents(task.support_labels.size()),
          extents(task.query_files.size())};
}

/// The settings of the run for this task: its classes and, for methods that ask, its shots.
Config config_for(Config config, const TaskFolders& task) {
  config.task.ways = task.ways();
  config.task.shots = *std::ranges::max_element(task.shots);
  config.outer.tasks = 1;
  return config;
}

/// A trained head has one output per class of training. Methods that fit their own head do not
/// read it, and take any number of classes.
void check_ways(const RecordedProgram& recorded, const Model& model, const StateStore& trained,
                std::int64_t trained_ways, const std::string& support) {
  std::set<std::string> read;
  const Graph& graph = recorded.program.graph;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n)
    if (graph.nodes[n].op == OpId::state) read.insert(graph.slot_of(int(n)).name);
  for (const Parameter& p : model.parameters) {
    const auto found = trained.find("theta/" + p.name);
    if (read.contains("theta/" + p.name) && found != trained.end() &&
        found->second.shape() != p.shape)
      fail(ErrorKind::usage, support,
           "{} class folders found, the run was trained with {} classes and its last layer has one "
           "output for each; give {} folders, or train a run with task.ways={}",
           model.outputs, trained_ways, trained_ways, model.outputs);
  }
}

std::vector<Prediction> predictions(const Tensor& probabilities, const TaskFolders& task) {
  std::vector<Prediction> all;
  std::int64_t at = 0;
  for (const std::string& file : task.query_files) {
    Prediction p{.file = file, .probabilities = {}, .order = {}};
    for (std::int64_t c = 0; c < task.ways(); ++c)
      p.probabilities.push_back(probabilities.at(at++));
    p.order.resize(p.probabilities.size());
    std::iota(p.order.begin(), p.order.end(), std::size_t(0));
    std::ranges::stable_sort(p.order, [&](std::size_t a, std::size_t b) {
      return p.probabilities[a] > p.probabilities[b];
    });
    all.push_back(std::move(p));
  }
  return all;
}

std::vector<Prediction> label(const RecordedProgram& recorded, const TaskFolders& task,
                              StateStore& store) {
  const auto executor = make_executor(recorded.program, store);
  feed_episodes(*executor, {.tasks = 1,
                            .support_x = task.support,
                            .query_x = task.query,
                            .support_y = task.support_labels,
                            .query_y = {},
                            .support_target = {},
                            .query_target = {}});
  executor->run();
  for (std::size_t k = 0; k < recorded.assumptions.size(); ++k)
    if (executor->fetch(1 + k).at(0) > 0)
      fail(ErrorKind::numerical, "predict", "{}", recorded.assumptions[k]);
  const Tensor probabilities = executor->fetch(0);
  for (std::int64_t i = 0; i < probabilities.elements(); ++i)
    if (!std::isfinite(probabilities.at(i)))
      fail(ErrorKind::numerical, "predict",
           "a probability is {}; first not finite: {}; try a smaller inner.lr", probabilities.at(i),
           executor->find_nonfinite());
  return predictions(probabilities, task);
}

/// Where every query lies in a folder named after a class: the share that got its own name.
std::optional<double> accuracy_of(const std::vector<Prediction>& all,
                                  const std::vector<std::string>& classes) {
  std::size_t right = 0;
  for (const Prediction& p : all) {
    const std::size_t slash = p.file.find('/');
    if (slash == p.file.npos) return std::nullopt;
    const std::string named = p.file.substr(0, slash);
    if (std::ranges::find(classes, named) == classes.end()) return std::nullopt;
    right += classes[p.order[0]] == named;
  }
  return 100 * double(right) / double(all.size());
}

json to_json(const std::vector<Prediction>& all, const std::vector<std::string>& classes) {
  json list = json::array();
  for (const Prediction& p : all) {
    json probabilities = json::object();
    for (std::size_t c = 0; c < classes.size(); ++c) probabilities[classes[c]] = p.probabilities[c];
    list.push_back({{"file", p.file},
                    {"label", classes[p.order[0]]},
                    {"probability", p.probabilities[p.order[0]]},
                    {"runner_up", classes[p.order[1]]},
                    {"probabilities", std::move(probabilities)}});
  }
  return list;
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (char c : text) result += c == '"' ? std::string("\"\"") : std::string(1, c);
  return result + "\"";
}

std::string to_csv(const std::vector<Prediction>& all, const std::vector<std::string>& classes) {
  std::string text = "file,label,probability";
  for (const std::string& name : classes) text += "," + quoted(name);
  for (const Prediction& p : all) {
    text += fmt::format("\n{},{},{}", quoted(p.file), quoted(classes[p.order[0]]),
                        p.probabilities[p.order[0]]);
    for (double value : p.probabilities) text += fmt::format(",{}", value);
  }
  return text + "\n";
}

std::string to_table(const std::vector<Prediction>& all, const std::vector<std::string>& classes) {
  std::size_t file_width = 4, label_width = 5;
  for (const Prediction& p : all) file_width = std::max(file_width, p.file.size());
  for (const std::string& name : classes) label_width = std::max(label_width, name.size());
  std::string text = fmt::format("{:<{}}  {:<{}}  probability  runner-up", "file", file_width,
                                 "label", label_width);
  for (const Prediction& p : all)
    text += fmt::format("\n{:<{}}  {:<{}}  {:>11.4f}  {} {:.4f}", p.file, file_width,
                        classes[p.order[0]], label_width, p.probabilities[p.order[0]],
                        classes[p.order[1]], p.probabilities[p.order[1]]);
  return text;
}

/// JSON is UTF-8, file names need not be.
void require_utf8(const json& object) {
  try {
    (void)object.dump();
  } catch (const json::type_error&) {
    fail(ErrorKind::io, "predict", "the name of a class or of an image is not UTF-8; rename it");
  }
}

}  // namespace

void predict_command(const PredictArguments& a, const Output& output) {
  const Device device = device_of(a.device);
  const RunFolder folder = RunFolder::open(a.run);
  Config config = folder.config();
  for (const std::string& assignment : a.set) set_config(config, assignment);
  check_config(config);
  if (config.task.kind == "sinusoid")
    fail(ErrorKind::usage, a.run, "the run was trained on sinusoids; predict labels images");
  const Target target = target_of(device, a.threads, config);
  require_device(target.device);
  const DataSet data = open_data(config, a.data.empty() ? folder.provenance().data_path : a.data);
  const ImageForm form = image_form(data.images->header());
  const auto file = folder.latest_checkpoint();
  if (!file)
    fail(ErrorKind::io, a.run,
         "the run has no checkpoint yet; train it first (metatape train --out {} --resume)", a.run);
  Checkpoint checkpoint = load_checkpoint(*file, make_model(config, data).parameters);

  const TaskFolders task = read_task_folders(a.support, a.query, form);
  output.say(describe(form));
  if (form.ink_is_bright && task.mean_value > 0.5)
    output.say("warning: most of the pictures is ink; are they light on dark? Invert them first");
  const Config own = config_for(config, task);
  const Model model = make_model(own, data);
  const RecordedProgram recorded = record_prediction(own, model, layout_of(task, form), target);
  check_ways(recorded, model, checkpoint.state, config.task.ways, a.support);
  check_memory(memory_need(recorded.program), own);
  const std::vector<Prediction> all = label(recorded, task, checkpoint.state);

  json result{{"run", a.run},
              {"checkpoint", file->string()},
              {"ways", task.ways()},
              {"classes", task.classes},
              {"shots", task.shots},
              {"inner_steps", recorded.inner_steps},
              {"protocol", config.eval.protocol},
              {"precision", config.train.precision},
              {"images", describe(form)},
              {"predictions", to_json(all, task.classes)}};
  const std::optional<double> accuracy = accuracy_of(all, task.classes);
  if (accuracy) result["accuracy"] = *accuracy;
  require_utf8(result);
  if (!a.out.empty())
    write_file_atomically(
        a.out, a.out.ends_with(".json") ? result.dump(2) + "\n" : to_csv(all, task.classes));
  std::string text = to_table(all, task.classes);
  text += fmt::format("\n{} images, {}-way, {} inner steps, {} batch norm", all.size(), task.ways(),
                      recorded.inner_steps, config.eval.protocol);
  if (accuracy) text += fmt::format("; {:.2f} % are as their folders say", *accuracy);
  output.result(result, text);
}

}  // namespace metatape
