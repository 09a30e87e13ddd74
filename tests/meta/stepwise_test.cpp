#include "meta/outer/stepwise.h"

#include "meta/adapt/gradient_steps.h"
#include "meta/method/compose.h"
#include "tests/meta/meta_gradient_check.h"
#include "tests/meta/small_workload.h"
#include "tests/support/expect_error.h"

namespace metatape {
namespace {

using Settings = std::vector<const char*>;

Config config_of(const Settings& settings, const char* form) {
  Config c;
  c.task = {.kind = "images", .ways = 3, .shots = 2, .queries = 2};
  c.inner.steps = 3;
  c.inner.lr = 0.1;
  for (const char* setting : settings) set_config(c, setting);
  c.inner.hvp = form;
  check_config(c);
  return c;
}

const std::vector<Settings>& all_settings() {
  static const std::vector<Settings> all{
      {},
      {"inner.recompute=true"},
      {"inner.adapt=head"},
      {"inner.adapt=body"},
      {"inner.batch=1"},
      {"inner.rates=per_element"},
      {"inner.rates=per_layer_step", "inner.per_step_norm=true", "inner.recompute=true"},
      {"outer.query_loss=multi_step"},
      {"regularize.phase=0.3", "regularize.amplitude=0.2"},
      {"regularize.phase=0.3", "regularize.amplitude=0.2", "inner.recompute=true"},
  };
  return all;
}

/// Reads every entry: parameters that only some steps or none of them adapt, rates, norms.
TEST(Stepwise, IsTheDerivativeThroughAllSteps) {
  for (const Settings& settings : all_settings()) {
    SCOPED_TRACE(fmt::format("{}", fmt::join(settings, " ")));
    std::vector<std::vector<Tensor>> gradients;
    std::vector<std::string> names;
    for (const char* form : {"reverse", "forward"}) {
      ImageProblem p(2);
      const MetaStep step = p.record(compose(config_of(settings, form)));
      gradients.push_back(p.s.run_all(step.task_gradient.values()));
      names.clear();
      for (const auto& entry : step.task_gradient.entries()) names.push_back(entry.name);
    }
    ASSERT_EQ(gradients[0].size(), gradients[1].size());
    double largest = 0;  // an entry may be zero but for rounding, as a bias before batch norm
    for (const Tensor& t : gradients[0])
      for (const double value : t.values()) largest = std::max(largest, std::abs(value));
    for (std::size_t i = 0; i < names.size(); ++i)
      expect_all_near(gradients[1][i].values(), gradients[0][i].values(), tolerance::kExactForms,
                      names[i], largest);
  }
}

TEST(Stepwise, NeedsStepsThatAreCut) {
  Method method = compose(config_of({}, "reverse"));
  method.meta_gradient = make_stepwise();
  ImageProblem p(2);
  expect_error(ErrorKind::usage, "0 of 3 steps are cut", [&] { p.record(method); });
}

TEST(Stepwise, KeepsParametersAloneWhereStepsAreComputedAgain) {
  const auto arena = [](std::int64_t steps, const char* recompute) {
    Workload w = image_workload();
    set_config(w.config, recompute);
    w.config.inner.steps = steps;
    w.config.inner.hvp = "forward";
    return double(
        record_training(w.config, w.model, w.training->layout(), {}).program.plan.arena_bytes);
  };
  const double kept = arena(8, "inner.recompute=false") - arena(4, "inner.recompute=false");
  const double again = arena(8, "inner.recompute=true") - arena(4, "inner.recompute=true");
  EXPECT_LT(4 * again, kept);
}

TEST(Stepwise, IsRefusedWithoutExactProducts) {
  for (const char* setting : {"inner.order=first", "inner.solver=ridge", "inner.steps=0"}) {
    SCOPED_TRACE(setting);
    expect_error(ErrorKind::usage, "forward is a form of exact products",
                 [&] { config_of({setting}, "forward"); });
    EXPECT_NO_THROW(config_of({setting}, "exact"));
  }
}

}  // namespace
}  // namespace metatape
