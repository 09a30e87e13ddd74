#include "meta/programs/fit_to_memory.h"

#include <fmt/ranges.h>

#include <optional>

#include "meta/outer/hessian_vector.h"
#include "meta/programs/memory_line.h"
#include "meta/programs/price.h"
#include "meta/programs/task_chunks.h"

namespace metatape {
namespace {

/// Plans for one choice of all but the chunks.
constexpr int kMostTrials = 4;
/// What inner steps computed again cost at least: 6 to 28 % more on conv4 and resnet12. Cheaper
/// chunks are not compared with it.
constexpr double kRecomputing = 1.05;
/// How much more one form of products may need than the other: by forward mode 27 % less to 19 %
/// more on conv4 and resnet12.
constexpr double kFormsDiffer = 1.4;

constexpr const char* kSmallerProblem = "fewer task.queries or a smaller model.width";

bool can_recompute(const Config& c) {
  return c.inner.solver == "gradient" && has_exact_products(c) && !c.inner.recompute;
}

/// Chunks that can be dealt evenly, largest first, from what runs at once: that alone if tasks
/// cannot be cut.
std::vector<std::int64_t> chunks_of(const Config& c, int ranks) {
  std::vector<std::int64_t> chunks{tasks_at_once(c, ranks)};
  for (std::int64_t chunk = chunks[0] - 1; can_chunk(c) && chunk > 0; --chunk)
    if (c.outer.tasks % (chunk * ranks) == 0) chunks.push_back(chunk);
  return chunks;
}

/// Settings as far as a search changed them.
std::vector<std::string> changed_settings(const Config& from, const Config& to) {
  std::vector<std::string> settings;
  if (to.outer.chunk != from.outer.chunk)
    settings.push_back(fmt::format("outer.chunk={}", to.outer.chunk));
  if (to.inner.hvp != from.inner.hvp) settings.push_back("inner.hvp=" + to.inner.hvp);
  if (to.inner.recompute != from.inner.recompute) settings.push_back("inner.recompute=true");
  return settings;
}

double mib(const MemoryNeed& need) { return double(need.total_bytes()) / (1 << 20); }

/// Programs that were recorded to see what they need.
struct Trial {
  Trial(Config c, TrainingPrograms p)
      : config(std::move(c)),
        programs(std::move(p)),
        need(memory_need(programs)),
        price(price_of(programs)) {}

  Config config;
  TrainingPrograms programs;
  MemoryNeed need;
  Price price;
};

/// For something cheaper in memory than programs that need too much.
class Search {
 public:
  Search(const Config& config, const TrainingPrograms& too_large, const Model& model,
         const EpisodeInput& input, const Target& target, std::size_t limit)
      : model_(model),
        input_(input),
        target_(target),
        limit_(limit),
        as_set_(memory_need(too_large)),
        price_as_set_(price_of(too_large).in_bytes()),
        config_(config),
        least_config_(config),
        least_(as_set_) {}

  /// The cheapest that fits, if any.
  std::optional<Trial> best() {
    try_forms(config_, &as_set_);
    const bool cheap = best_ && best_->price.in_bytes() <= kRecomputing * price_as_set_;
    if (!cheap && can_recompute(config_)) {
      Config again = config_;
      again.inner.recompute = true;
      try_forms(again, nullptr);
    }
    return std::move(best_);
  }

  /// Of all that was tried.
  const MemoryNeed& least() const { return least_; }
  const Config& least_config() const { return least_config_; }

 private:
  /// Of products, where they are free to choose. `of_all`: what all tasks at once need, if known.
  void try_forms(const Config& config, const MemoryNeed* of_all) {
    const MemoryLine line = try_chunks(config, {}, of_all);
    if (config.inner.hvp != "exact" || !has_exact_products(config)) return;
    Config forward = config;
    forward.inner.hvp = "forward";
    try_chunks(forward, line, nullptr);
  }

  /// For the largest that fits. `like`: of programs that need about as much.
  MemoryLine try_chunks(Config config, const MemoryLine& like, const MemoryNeed* of_all) {
    const std::vector<std::int64_t> chunks = chunks_of(config, target_.ranks);
    MemoryLine line;
    if (of_all) line.add(chunks[0], *of_all);
    int trials = line.known();
    for (std::size_t at = std::size_t(trials); at < chunks.size(); ++at) {
      const MemoryLine& guess = line.known() ? line : like;
      const double room = (line.known() ? 1 : kFormsDiffer) * double(limit_);
      const bool last = ++trials == kMostTrials;
      while (at + 1 < chunks.size() && guess.known() && (last || guess.bytes(chunks[at]) > room))
        ++at;
      if (at > 0) config.outer.chunk = chunks[at];
      const MemoryNeed need = try_one(config);
      line.add(chunks[at], need);
      if (need.total_bytes() <= limit_) break;
    }
    return line;
  }

  MemoryNeed try_one(const Config& config) {
    Trial trial(config, record_training_programs(config, model_, input_, target_));
    const MemoryNeed need = trial.need;
    if (need.total_bytes() < least_.total_bytes()) {
      least_ = need;
      least_config_ = config;
    }
    if (need.total_bytes() <= limit_ &&
        (!best_ || trial.price.in_bytes() < best_->price.in_bytes()))
      best_.emplace(std::move(trial));
    return need;
  }

  const Model& model_;
  const EpisodeInput& input_;
  const Target& target_;
  std::size_t limit_;
  MemoryNeed as_set_;
  double price_as_set_;
  Config config_, least_config_;
  MemoryNeed least_;
  std::optional<Trial> best_;
};

/// In one line: what is different, and what it costs.
std::string change_text(const Config& asked, const Trial& as_set, const Trial& chosen, int ranks) {
  const Config& c = chosen.config;
  std::vector<std::string> changes;
  if (c.outer.chunk != asked.outer.chunk)
    changes.push_back(fmt::format("{} of {} tasks at a time (outer.chunk={})",
                                  tasks_at_once(c, ranks), c.outer.tasks, c.outer.chunk));
  if (c.inner.hvp != asked.inner.hvp)
    changes.push_back(
        fmt::format("Hessian-vector products by forward mode (inner.hvp={})", c.inner.hvp));
  if (c.inner.recompute != asked.inner.recompute)
    changes.push_back("inner steps computed again (inner.recompute=true)");
  const auto percent = [](double now, double before) { return 100 * (now / before - 1); };
  return fmt::format("{}: {:.1f} -> {:.1f} MiB, {:+.1f} % FLOPs, {:+.1f} % bytes read and written",
                     fmt::join(changes, ", "), mib(as_set.need), mib(chosen.need),
                     percent(chosen.price.flops, as_set.price.flops),
                     percent(chosen.price.bytes, as_set.price.bytes));
}

}  // namespace

Fit fit_to_memory(const Config& config, const Model& model, const EpisodeInput& input,
                  const Target& target) {
  Trial as_set(config, record_training_programs(config, model, input, target));
  const std::size_t limit = std::size_t(config.train.max_memory) << 20;
  if (limit == 0 || as_set.need.total_bytes() <= limit)
    return {config, std::move(as_set.programs), {}};
  Search search(config, as_set.programs, model, input, target, limit);
  std::optional<Trial> best = search.best();
  if (!best) {
    const std::size_t enough = (search.least().total_bytes() >> 20) + 1;
    check_memory(search.least(), search.least_config(),
                 can_chunk(config)
                     ? fmt::format("train.max_memory={}, or {}", enough, kSmallerProblem)
                     : "");
  }
  std::string change = change_text(config, as_set, *best, target.ranks);
  return {std::move(best->config), std::move(best->programs), std::move(change)};
}

void check_fit(const Fit& fit, const Model& model, const EpisodeInput& input,
               const Target& target) {
  const MemoryNeed need = memory_need(fit.programs);
  const std::size_t limit = memory_limit(need, fit.config);
  if (need.total_bytes() <= limit) return;
  Search search(fit.config, fit.programs, model, input, target, limit);
  const std::optional<Trial> best = search.best();
  if (best)
    check_memory(need, fit.config,
                 fmt::format("{} ({:.1f} MiB)",
                             fmt::join(changed_settings(fit.config, best->config), " and "),
                             mib(best->need)));
  check_memory(search.least(), search.least_config(), can_chunk(fit.config) ? kSmallerProblem : "");
}

}  // namespace metatape
