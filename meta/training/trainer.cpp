#include "meta/training/trainer.h"

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "engine/io/strict_json.h"
#include "engine/optim/optimizer.h"
#include "meta/programs/consistency.h"
#include "meta/programs/memory.h"
#include "meta/programs/task_chunks.h"
#include "meta/training/episode_feed.h"
#include "meta/training/evaluation.h"
#include "meta/training/progress.h"

namespace metatape {
namespace {

using nlohmann::json;

/// Means over the iterations since the last line of metrics. Part of a checkpoint, so that a run
/// resumed between two lines writes the same next line.
struct Window {
  std::int64_t count = 0;
  double loss = 0, score = 0;
  std::vector<double> diagnostics = {};

  /// A row of fetched scalars: loss, score, diagnostics.
  void add(const std::vector<double>& scalars, std::size_t diagnostic_count) {
    ++count;
    loss += scalars[0];
    score += scalars[1];
    diagnostics.resize(diagnostic_count);
    for (std::size_t k = 0; k < diagnostic_count; ++k) diagnostics[k] += scalars[2 + k];
  }
  double mean_loss() const { return count ? loss / double(count) : 0; }
  double mean_score() const { return count ? score / double(count) : 0; }
};

Window window_from(const json& stored, const std::string& prefix, const std::string& subject) {
  auto number = [&](const char* name) {
    const std::string key = prefix + name;
    if (!stored.is_object() || !stored.contains(key) || !stored[key].is_number())
      fail(ErrorKind::io, subject, "its window lacks the number \"{}\"", key);
    return stored[key].get<double>();
  };
  Window window{std::int64_t(number("count")), number("loss"), number("score")};
  const json diagnostics = stored.value(prefix + "diagnostics", json::array());
  for (const json& value : diagnostics) {
    if (!value.is_number())
      fail(ErrorKind::io, subject, "its window has diagnostics that are no numbers");
    window.diagnostics.push_back(value.get<double>());
  }
  return window;
}

class Training {
 public:
  Training(const Workload& w, const TrainingPrograms& programs, StateStore store, RunFolder& folder,
           const TrainOptions& options)
      : w_(w),
        config_(w.config),
        folder_(folder),
        options_(options),
        store_(std::move(store)),
        classification_(w.training->layout().kind == TaskKind::classification),
        programs_(programs) {
    check_memory(memory_need(programs_), config_);
    if (options.resume) restore();
    if (saved_iteration_ < 0 || config_.outer.schedule == "constant") {  // else as it was left
      Tensor lr({}, precision_of(config_));
      lr.set_at(0, config_.outer.lr);
      store_[kLearningRateState] = lr;
    }
    Tensor iteration({}, DType::i32);
    iteration.set_at(0, double(iteration_));
    store_[kIterationState] = iteration;
  }

  TrainResult run() {
    const auto began = std::chrono::steady_clock::now();
    begin_stage();
    Progress progress(iteration_, config_.train.iterations);
    while (iteration_ < config_.train.iterations && !stop_asked()) {
      if (iteration_ == stage_->until) begin_stage();
      for (const std::vector<double>& scalars : next_steps()) {
        if (!std::isfinite(scalars[0])) give_up(scalars);
        ++iteration_;
        window_.add(scalars, stage_->step.diagnostics.size());
        if (iteration_ % config_.train.log_every == 0) log_window();
      }
      note_warnings(progress);
      const Window& shown = window_.count ? window_ : last_window_;
      progress.update(iteration_, describe(shown.mean_loss(), shown.mean_score()));
      pause(progress);
    }
    progress.finish();
    return finish(std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
  }

 private:
  /// The program of this iteration takes over the states.
  void begin_stage() {
    if (executor_) executor_->read_states();
    episodes_.reset();
    executor_.reset();  // one arena at a time
    stage_ = &programs_.stage_at(iteration_);
    begin_average(stage_->step.program, store_);
    executor_ = make_executor(stage_->step.program, store_);
    episodes_.emplace(stage_->step, *w_.training, *executor_);
  }

  bool stop_asked() const { return options_.stop && *options_.stop; }

  /// Steps up to the next pause of the loop. Without inputs from the host a device is kept busy;
  /// with them the failing episodes have to be at hand, so that the culprit can be named.
  std::int64_t steps_to_pause() const {
    std::int64_t steps = stage_->step.draws_episodes ? executor_->steps_ahead() : 1;
    auto stop_at = [&](std::int64_t every) {
      if (every) steps = std::min(steps, every - iteration_ % every);
    };
    stop_at(config_.train.checkpoint_every);
    stop_at(config_.train.validate_every);
    if (programs_.consistency) stop_at(config_.train.log_every);
    return std::min({steps, stage_->until - iteration_, config_.train.iterations - iteration_});
  }

  std::vector<std::vector<double>> next_steps() try {
    if (stage_->step.runs > 1) return {step_in_chunks()};
    const std::int64_t steps = steps_to_pause();
    for (std::int64_t k = 0; k < steps; ++k) {
      episodes_->feed(iteration_ + k, 0, config_.outer.tasks);
      executor_->step();
    }
    return executor_->collect();
  } catch (const Error& e) {
    if (e.kind == ErrorKind::numerical) save();  // a factorisation failed: nothing was committed
    throw;
  }

  /// One meta-step. Counts of broken assumptions are sums over all tasks, the others means.
  std::vector<double> step_in_chunks() {
    const std::int64_t runs = stage_->step.runs, tasks = config_.outer.tasks / runs;
    const std::size_t means = 2 + stage_->step.diagnostics.size();
    std::vector<double> all;
    for (std::int64_t run = 0; run < runs; ++run) {
      episodes_->feed(iteration_, run * tasks, tasks);
      executor_->step();
      const std::vector<double> chunk = executor_->collect().at(0);
      all.resize(chunk.size());
      for (std::size_t k = 0; k < chunk.size(); ++k)
        all[k] += k < means ? chunk[k] / double(runs) : chunk[k];
      if (!std::isfinite(chunk[0])) break;  // the inputs of this run name the culprit
    }
    return all;
  }

  void note_warnings(Progress& progress) {
    if (executor_->warnings().empty()) return;
    if (!warned_)
      for (const std::string& line : executor_->warnings())
        progress.note(fmt::format("iteration {}: {}", iteration_, line));
    warned_ = true;
  }

  std::string describe(double loss, double score) const {
    return classification_ ? fmt::format("loss {:.4f}  accuracy {:.2f} %", loss, 100 * score)
                           : fmt::format("loss {:.4f}", loss);
  }

  void log_window() {
    json line{{"iteration", iteration_}, {"loss", window_.mean_loss()}};
    if (classification_) line["accuracy"] = 100 * window_.mean_score();
    for (std::size_t k = 0; k < window_.diagnostics.size(); ++k)
      line[stage_->step.diagnostics[k]] = window_.diagnostics[k] / double(window_.count);
    if (programs_.consistency) log_consistency(line);
    folder_.append_metrics(line);
    last_window_ = std::exchange(window_, {});
  }

  /// On the tasks of the meta-step just taken.
  void log_consistency(json& line) {
    executor_->read_states();
    const Consistency c = measure_consistency(*programs_.consistency, *w_.training, store_,
                                              iteration_ - 1, tasks_at_once(config_));
    line["phase_consistency"] = c.phase;
    line["amplitude_consistency"] = c.amplitude;
  }

  void pause(Progress& progress) {
    const std::int64_t every = config_.train.validate_every;
    if (every && w_.validation && iteration_ % every == 0) validate(progress);
    if (iteration_ % config_.train.checkpoint_every == 0) save();
  }

  void validate(Progress& progress) {
    executor_->read_states();
    const Evaluation e =
        evaluate(config_, w_.model, *w_.validation, store_, config_.eval.tasks, options_.target);
    json line = to_json(e, config_, "validation");
    line["iteration"] = iteration_;
    folder_.append_metrics(line);
    progress.note(
        fmt::format("validation at {}: {}", iteration_, describe(e.loss.mean, e.score.mean)));
  }

  void save() {
    if (executor_) executor_->read_states();
    checkpoint_ =
        folder_.save(iteration_,
                     {.state = store_,
                      .metadata = {{"format", "metatape-checkpoint-1"},
                                   {"iteration", std::to_string(iteration_)},
                                   {"metrics_bytes", std::to_string(folder_.metrics_bytes())},
                                   {"window", json{{"count", window_.count},
                                                   {"loss", window_.loss},
                                                   {"score", window_.score},
                                                   {"diagnostics", window_.diagnostics},
                                                   {"last_count", last_window_.count},
                                                   {"last_loss", last_window_.loss},
                                                   {"last_score", last_window_.score},
                                                   {"last_diagnostics", last_window_.diagnostics}}
                                                  .dump()},
                                   {"settings", to_json(config_).dump()}}},
                     w_.model.parameters);
    saved_iteration_ = iteration_;
  }

  void restore() {
    const auto latest = folder_.latest_checkpoint();
    if (!latest) {  // stopped before its first checkpoint: the beginning is the state
      folder_.truncate_metrics(0);
      return;
    }
    Checkpoint checkpoint = load_checkpoint(*latest, w_.model.parameters);
    const std::string subject = latest->string();
    for (const char* key : {"iteration", "metrics_bytes", "window"})
      if (!checkpoint.metadata.contains(key))
        fail(ErrorKind::io, subject, "its metadata lacks \"{}\": not a checkpoint of a run", key);
    const json position = parse_strict_json(
        fmt::format("{{\"iteration\": {}, \"bytes\": {}, \"window\": {}}}",
                    checkpoint.metadata["iteration"], checkpoint.metadata["metrics_bytes"],
                    checkpoint.metadata["window"]),
        subject);
    constexpr std::int64_t kMost = std::int64_t(1) << 62;
    iteration_ = json_integer(position, "iteration", 0, kMost, subject);
    folder_.truncate_metrics(json_integer(position, "bytes", 0, kMost, subject));
    window_ = window_from(position.at("window"), "", subject);
    last_window_ = window_from(position.at("window"), "last_", subject);
    store_ = std::move(checkpoint.state);
    checkpoint_ = *latest;
    saved_iteration_ = iteration_;
  }

  /// The state is still that of the last good iteration: it is saved before the run ends.
  [[noreturn]] void give_up(const std::vector<double>& scalars) {
    save();
    for (std::size_t k = 0; k < stage_->step.assumptions.size(); ++k)
      if (const double tasks = scalars[2 + stage_->step.diagnostics.size() + k]; tasks > 0)
        fail(ErrorKind::numerical, "train",
             "iteration {}, {} of {} tasks: {}. The state before it is saved in {}", iteration_ + 1,
             tasks, config_.outer.tasks, stage_->step.assumptions[k], checkpoint_.string());
    const double loss = scalars[0];
    const std::string first = executor_->find_nonfinite();
    fail(
        ErrorKind::numerical, "train",
        "the loss of iteration {} is {}; first not finite: {}. The state before it is saved in {}; "
        "try a smaller inner.lr or outer.lr",
        iteration_ + 1, loss, first.empty() ? "the loss itself" : first, checkpoint_.string());
  }

  TrainResult finish(double seconds) {
    if (saved_iteration_ != iteration_) save();
    const Window& window = window_.count ? window_ : last_window_;
    return {.iterations = iteration_,
            .seconds = seconds,
            .loss = window.mean_loss(),
            .score = window.mean_score(),
            .stopped = iteration_ < config_.train.iterations,
            .checkpoint = checkpoint_,
            .state_hash = state_digest(store_)};
  }

  const Workload& w_;
  const Config& config_;
  RunFolder& folder_;
  const TrainOptions& options_;
  StateStore store_;
  std::unique_ptr<Executor> executor_;
  std::optional<EpisodeFeed> episodes_;
  bool warned_ = false;  ///< of matrices that needed jitter: once a run
  bool classification_;
  const TrainingPrograms& programs_;
  const TrainingPrograms::Stage* stage_ = nullptr;
  std::int64_t iteration_ = 0, saved_iteration_ = -1;
  Window window_, last_window_;
  std::filesystem::path checkpoint_;
};

}  // namespace

TrainResult train(const Workload& workload, const TrainingPrograms& programs, StateStore initial,
                  RunFolder& folder, const TrainOptions& options) {
  return Training(workload, programs, std::move(initial), folder, options).run();
}

}  // namespace metatape
