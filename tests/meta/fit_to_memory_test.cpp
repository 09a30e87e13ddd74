#include "meta/programs/fit_to_memory.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "meta/programs/price.h"
#include "meta/programs/task_chunks.h"
#include "meta/training/trainer.h"
#include "tests/meta/small_workload.h"
#include "tests/support/compare.h"
#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

class FitToMemory : public testing::Test {
 protected:
  FitToMemory() : w_(image_workload()) {
    w_.config.outer.tasks = 64;
    w_.config.inner.steps = 4;
  }
  void use_wide_model() {
    w_.model = make_conv4({.height = 16, .width = 16, .classes = 3, .filters = 32});
  }
  Fit fit(std::int64_t mib) {
    w_.config.train.max_memory = mib;
    return fit_to_memory(w_.config, w_.model, w_.training->layout(), {});
  }
  TrainingPrograms programs_of(const Config& config) const {
    return record_training_programs(config, w_.model, w_.training->layout(), {});
  }
  static std::int64_t mib_of(const TrainingPrograms& programs) {
    return std::int64_t(memory_need(programs).total_bytes() >> 20) + 1;
  }
  static std::int64_t mib_of(const Fit& f) { return mib_of(f.programs); }
  static bool says(const Fit& f, const std::string& fragment) {
    return f.change.find(fragment) != std::string::npos;
  }

  Workload w_;
};

TEST_F(FitToMemory, LeavesAloneWhatFits) {
  const Fit unlimited = fit(0);
  EXPECT_EQ(unlimited.change, "");
  const Fit enough = fit(mib_of(unlimited));
  EXPECT_EQ(enough.change, "");
  EXPECT_EQ(enough.config.outer.chunk, 0);
  EXPECT_EQ(enough.config.inner.hvp, "exact");
}

TEST_F(FitToMemory, TakesTheLargestChunkThatFits) {
  const std::int64_t all = mib_of(fit(0));
  const Fit half = fit(all * 3 / 4);
  EXPECT_EQ(half.config.outer.chunk, 32);
  EXPECT_FALSE(half.config.inner.recompute);
  EXPECT_EQ(half.programs.stages.back().step.runs, 2);
  EXPECT_LE(mib_of(half), all * 3 / 4);
  EXPECT_TRUE(says(half, "32 of 64 tasks at a time (outer.chunk=32)")) << half.change;
}

TEST_F(FitToMemory, SaysWhatChangedAndItsPriceInOneLine) {
  const Fit as_set = fit(0), half = fit(mib_of(as_set) / 2);
  const auto mib = [](const Fit& f) {
    return double(memory_need(f.programs).total_bytes()) / (1 << 20);
  };
  const Price before = price_of(as_set.programs), after = price_of(half.programs);
  EXPECT_TRUE(says(half, fmt::format(": {:.1f} -> {:.1f} MiB, {:+.1f} % FLOPs, {:+.1f} % bytes "
                                     "read and written",
                                     mib(as_set), mib(half), 100 * (after.flops / before.flops - 1),
                                     100 * (after.bytes / before.bytes - 1))))
      << half.change;
  EXPECT_EQ(half.change.find('\n'), std::string::npos);
}

TEST_F(FitToMemory, TakesTheOtherFormOfProductsWhereThatIsEnough) {
  const EpisodeLayout layout{TaskKind::classification, 5, {5, 28, 28, 1}, {5, 28, 28, 1}};
  const Model model = make_conv4({.classes = 5, .filters = 64, .downsampling = Downsampling::max});
  Config config;
  config.inner.steps = 1;               // with two, and without oneDNN, both forms take the same
  config.outer.combine = "similarity";  // which cannot take its tasks in chunks
  Config forward = config;
  forward.inner.hvp = "forward";
  const std::int64_t all = mib_of(record_training_programs(config, model, layout, {}));
  const std::int64_t enough = mib_of(record_training_programs(forward, model, layout, {}));
  ASSERT_LT(enough, all);
  config.train.max_memory = enough;
  const Fit f = fit_to_memory(config, model, layout, {});
  EXPECT_EQ(f.config.inner.hvp, "forward");
  EXPECT_EQ(f.config.outer.chunk, 0);
  EXPECT_TRUE(says(f, "(inner.hvp=forward)")) << f.change;
  config.inner.hvp = "reverse";  // what was asked for stays
  config.outer.combine = "mean";
  config.train.max_memory = enough * 3 / 4;
  const Fit asked = fit_to_memory(config, model, layout, {});
  EXPECT_EQ(asked.config.inner.hvp, "reverse");
  EXPECT_EQ(asked.config.outer.chunk, 16);
}

TEST_F(FitToMemory, RecomputesWhereOneTaskIsTooLarge) {
  const EpisodeLayout layout{TaskKind::classification, 5, {25, 28, 28, 1}, {5, 28, 28, 1}};
  const Model model = make_conv4({.height = 28, .width = 28, .classes = 5, .filters = 64});
  Config config;
  config.inner.steps = 4;
  config.outer.tasks = 1;
  const std::int64_t all = mib_of(record_training_programs(config, model, layout, {}));
  config.train.max_memory = all * 7 / 8;
  const Fit f = fit_to_memory(config, model, layout, {});
  EXPECT_TRUE(f.config.inner.recompute);
  EXPECT_TRUE(says(f, "(inner.recompute=true)")) << f.change;
  EXPECT_LE(mib_of(f), all * 7 / 8);
}

/// Against all that could be chosen, at limits from the whole need down to the least.
TEST_F(FitToMemory, TakesWhatCostsLeastOfAllThatFit) {
  w_.config.outer.tasks = 4;
  use_wide_model();
  struct Candidate {
    std::int64_t mib;
    double price;
  };
  std::vector<Candidate> all;
  for (const bool recompute : {false, true})
    for (const char* form : {"reverse", "forward"})
      for (const std::int64_t chunk : {0, 2, 1}) {
        Config c = w_.config;
        c.inner.recompute = recompute;
        c.inner.hvp = form;
        c.outer.chunk = chunk;
        const TrainingPrograms programs = programs_of(c);
        all.push_back({mib_of(programs), price_of(programs).in_bytes()});
      }
  const std::int64_t as_set = all.front().mib;
  const std::int64_t least = std::ranges::min(all, {}, &Candidate::mib).mib;
  ASSERT_LT(2 * least, as_set);
  constexpr double kNotCompared = 1.05;  // chunks that cost no more are taken without further ado
  for (std::int64_t limit = as_set - 1; limit >= least; limit -= (as_set - least) / 3) {
    SCOPED_TRACE(limit);
    const Fit f = fit(limit);
    EXPECT_LE(mib_of(f), limit);
    double cheapest = price_of(f.programs).in_bytes();
    for (const Candidate& c : all)
      if (c.mib <= limit) cheapest = std::min(cheapest, c.price);
    EXPECT_LE(price_of(f.programs).in_bytes(), kNotCompared * cheapest);
  }
}

TEST_F(FitToMemory, NeverTakesDifferencesForExactProducts) {
  const std::int64_t all = mib_of(fit(0));
  for (const std::int64_t mib : {all / 2, all / 8})
    EXPECT_NE(fit(mib).config.inner.hvp, "difference");
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::memory);
    return error.what();
  }
  return "";
}

TEST_F(FitToMemory, NamesTheLimitThatWouldDoWhereNothingFits) {
  use_wide_model();
  const std::string error = error_of([&] { fit(1); });
  const std::string before = "train.max_memory is 1 MiB; use train.max_memory=";
  const std::size_t at = error.find(before);
  ASSERT_NE(at, std::string::npos) << error;
  const Fit f = fit(std::stoll(error.substr(at + before.size())));
  EXPECT_EQ(f.config.outer.chunk, 1);
}

TEST_F(FitToMemory, RunsThatAreTooLargeAreToldSettingsThatFit) {
  Fit f = fit(0);
  const auto check = [&] { check_fit(f, w_.model, w_.training->layout(), {}); };
  EXPECT_NO_THROW(check());
  f.config.train.max_memory = mib_of(f) * 3 / 4;
  const std::string error = error_of(check);
  EXPECT_NE(error.find("; use outer.chunk=32"), std::string::npos) << error;
  const Fit fitted = fit(f.config.train.max_memory);
  const double mib = double(memory_need(fitted.programs).total_bytes()) / (1 << 20);
  EXPECT_NE(error.find(fmt::format(" ({:.1f} MiB)", mib)), std::string::npos) << error;
}

/// In f64, where the forms differ by rounding alone.
TEST(FittedPrograms, TrainAlike) {
  const TemporaryFolder folder;
  const auto trained = [&](std::initializer_list<const char*> settings) {
    Config c = sinusoid_config();
    c.train.precision = "fp64";
    c.outer.tasks = 4;
    for (const char* setting : settings) set_config(c, setting);
    const Workload w = sinusoid_workload(c);
    const std::string run = fmt::format("{}", fmt::join(settings, ","));
    RunFolder out = RunFolder::create(folder / ("run" + run), c, {});
    train(w, record_training_programs(c, w.model, w.training->layout(), {}), initial_state(w), out,
          {});
    return load_checkpoint(*out.latest_checkpoint(), w.model.parameters).state;
  };
  const StateStore as_set = trained({});
  for (const auto& settings : {std::initializer_list<const char*>{"inner.hvp=forward"},
                               {"inner.hvp=forward", "inner.recompute=true"},
                               {"inner.hvp=forward", "inner.recompute=true", "outer.chunk=2"}}) {
    const StateStore fitted = trained(settings);
    for (const auto& [name, state] : as_set) {
      ASSERT_TRUE(fitted.contains(name)) << name;
      expect_all_near(fitted.at(name).values(), state.values(), tolerance::kExactForms, name);
    }
  }
}

}  // namespace
}  // namespace metatape
