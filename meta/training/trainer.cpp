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
        ranks_(options.ranks),
        tasks_(tasks_at_once(config_, ranks_.size())),
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
    require_same_state();
    begin_stage();
    Progress progress(iteration_, config_.train.iterations, !ranks_.is_first());
    bool stopping = ranks_.any(stop_asked());
    while (iteration_ < config_.train.iterations && !stopping) {
      if (iteration_ == stage_->until) begin_stage();
      const Steps steps = next_steps();
      stopping = steps.stopping;
      for (const std::vector<double>& scalars : steps.scalars) {
        if (!std::isfinite(scalars[0])) give_up(scalars);
        ++iteration_;
        window_.add(scalars, stage_->step.diagnostics.size());
        if (iteration_ % config_.train.log_every == 0) log_window();
      }
      if (steps.warned) note_warnings(progress);
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

  /// Meta-steps taken, and what some rank has to say after them.
  struct Steps {
    std::vector<std::vector<double>> scalars;
    bool stopping, warned;
  };
  Steps next_steps() {
    std::vector<std::vector<double>> scalars;
    std::optional<Error> failure;  // a factorisation failed here: nothing was committed
    try {
      scalars = stage_->step.runs > 1 ? step_in_runs() : steps_to_pause_taken();
    } catch (const Error& e) {
      if (e.kind != ErrorKind::numerical) throw;
      failure = e;
    }
    constexpr unsigned kFailed = 1, kStopping = 2, kWarned = 4;
    unsigned own = failure ? kFailed : 0;
    if (stop_asked()) own |= kStopping;
    if (!warned_ && !executor_->warnings().empty()) own |= kWarned;
    const unsigned news = ranks_.any(own);
    if (news & kFailed) {
      if (failure || !std::isfinite(scalars.back()[0])) save();
      if (failure && ranks_.size() == 1) throw *failure;
      const auto [from, text] = first_text(failure ? failure->what() : "");
      throw SharedError(ErrorKind::numerical, "train",
                        fmt::format("{}, iteration {}: {}", from, iteration_ + 1, text));
    }
    return {std::move(scalars), (news & kStopping) != 0, (news & kWarned) != 0};
  }

  std::vector<std::vector<double>> steps_to_pause_taken() {
    const std::int64_t steps = steps_to_pause();
    first_task_ = ranks_.rank() * tasks_;
    for (std::int64_t k = 0; k < steps; ++k) {
      episodes_->feed(iteration_ + k, first_task_, tasks_);
      executor_->step();
    }
    return executor_->collect();
  }

  /// One meta-step. The scalars of its last run are those of all.
  std::vector<std::vector<double>> step_in_runs() {
    std::vector<std::vector<double>> scalars;
    for (std::int64_t run = 0; run < stage_->step.runs; ++run) {
      first_task_ = (run * ranks_.size() + ranks_.rank()) * tasks_;
      episodes_->feed(iteration_, first_task_, tasks_);
      executor_->step();
      scalars = executor_->collect();
      if (!std::isfinite(scalars[0][0])) break;  // the inputs of this run name the culprit
    }
    return scalars;
  }

  /// Which rank has something to say, and what, of the first that has; two empty texts if none has.
  std::pair<std::string, std::string> first_text(const std::string& own) const {
    const std::vector<std::string> all = ranks_.texts(own);
    for (int r = 0; r < ranks_.size(); ++r)
      if (!all[std::size_t(r)].empty()) return {ranks_.name_of(r), all[std::size_t(r)]};
    return {};
  }

  void note_warnings(Progress& progress) {
    const std::string own = fmt::format("{}", fmt::join(executor_->warnings(), "\n"));
    const auto [from, text] = first_text(own);
    const std::string where = ranks_.size() > 1 ? ", " + from : "";
    progress.note(fmt::format("iteration {}{}: {}", iteration_, where, text));
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
    if (programs_.consistency && ranks_.is_first()) log_consistency(line);
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
    if (iteration_ % config_.train.checkpoint_every == 0) save_together();
  }

  /// What is computed on all ranks alike must have the same bits: a rank that went astray, on
  /// another processor or with another library, ends the run before its state is kept.
  void require_same_state() {
    if (ranks_.size() > 1)
      ranks_.require_equal({{"iteration", iteration_}, {"state", state_digest(store_)}});
  }

  void save_together() {
    executor_->read_states();
    require_same_state();
    save();
  }

  void validate(Progress& progress) {
    executor_->read_states();
    const Evaluation e = evaluate(config_, w_.model, *w_.validation, store_, config_.eval.tasks,
                                  options_.target, ranks_);
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
        give_up(fmt::format("iteration {}, {} of {} tasks: {}. The state before it is saved in {}",
                            iteration_ + 1, tasks, config_.outer.tasks, stage_->step.assumptions[k],
                            checkpoint_.string()));
    std::string own = executor_->find_nonfinite(first_task_);
    if (!own.empty() && tasks_ == 1) own += fmt::format(", task {}", first_task_);
    auto [from, first] = first_text(own);
    if (first.empty())
      first = ranks_.size() > 1 ? "the sum over ranks" : "the loss itself";
    else if (ranks_.size() > 1)
      first += " on " + from;
    give_up(
        fmt::format("the loss or the meta-gradient of iteration {} is not finite; first not "
                    "finite: {}. The state before it is saved in {}; try a smaller inner.lr or "
                    "outer.lr",
                    iteration_ + 1, first, checkpoint_.string()));
  }

  [[noreturn]] static void give_up(const std::string& text) {
    throw SharedError(ErrorKind::numerical, "train", text);
  }

  TrainResult finish(double seconds) {
    if (saved_iteration_ != iteration_) save_together();
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
  const Ranks& ranks_;
  std::int64_t tasks_;  ///< in one run on this rank
  StateStore store_;
  std::unique_ptr<Executor> executor_;
  std::optional<EpisodeFeed> episodes_;
  bool warned_ = false;  ///< of matrices that needed jitter: once a run
  bool classification_;
  const TrainingPrograms& programs_;
  const TrainingPrograms::Stage* stage_ = nullptr;
  std::int64_t iteration_ = 0, saved_iteration_ = -1;
  std::int64_t first_task_ = 0;  ///< of the last run
  Window window_, last_window_;
  std::filesystem::path checkpoint_;
};

}  // namespace

TrainResult train(const Workload& workload, const TrainingPrograms& programs, StateStore initial,
                  RunFolder& folder, const TrainOptions& options) {
  return Training(workload, programs, std::move(initial), folder, options).run();
}

}  // namespace metatape
