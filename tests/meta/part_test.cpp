#include "meta/method/part.h"

#include <gtest/gtest.h>

#include <set>

#include "meta/method/compose.h"
#include "tests/meta/meta_gradient_check.h"
#include "tests/support/expect_error.h"

namespace metatape {
namespace {

Config with(std::initializer_list<const char*> settings) {
  Config config;
  for (const char* setting : settings) set_config(config, setting);
  return config;
}

template <class Kind>
void expect_described() {
  std::set<std::string> names;
  for (const Part<Kind>* part : parts<Kind>()) {
    EXPECT_TRUE(names.insert(part->name).second) << part->name << " is listed twice";
    EXPECT_GT(std::string(part->formula).size(), 5u) << part->name;
    EXPECT_GT(std::string(part->source).size(), 5u) << part->name;
    EXPECT_TRUE(part->make) << part->name;
  }
  EXPECT_GE(names.size(), 2u);
}

TEST(Parts, AreDescribed) {
  expect_described<Adaptation>();
  expect_described<QueryLoss>();
  expect_described<Regularizer>();
  expect_described<MetaGradient>();
  expect_described<Combination>();
}

TEST(Parts, AreTheValuesOfTheSettingThatChoosesThem) {
  for (const std::string& name : part_names<Combination>()) {
    Config c;
    EXPECT_NO_THROW(set_config(c, "outer.combine=" + name));
    EXPECT_EQ(chosen_part<Combination>(c).name, name);
  }
  expect_error(ErrorKind::usage, "expected one of mean, similarity",
               [] { with({"outer.combine=median"}); });
  Config wrong;
  wrong.outer.combine = "median";
  expect_error(ErrorKind::usage, "there is no median; expected one of mean, similarity",
               [&] { chosen_part<Combination>(wrong); });
}

TEST(Parts, HaveSettingsOfTheirOwn) {
  const Config none;
  EXPECT_EQ(number_of(none, "regularize.entropy"), 0);
  const Config some = with({"regularize.entropy=0.25"});
  EXPECT_EQ(number_of(some, "regularize.entropy"), 0.25);
  expect_error(ErrorKind::usage, "expected a number >= 0", [] { with({"regularize.entropy=-1"}); });
  EXPECT_TRUE(active_regularizers(none).empty());
  EXPECT_EQ(active_regularizers(some).size(), 1u);
  EXPECT_THROW(number_of(none, "regularize.nothing"), Error);
}

// ---- the entropy term, which the README shows
// ----------------------------------------------------

TEST(EntropyReduction, IsTheDifferenceOfMeanEntropies) {
  const Config c = with({"regularize.entropy=2", "inner.lr=0.3"});
  ImageProblem p;
  const Method method = compose(c);
  const MetaStep step = p.record(method);
  const TaskBatch tasks = p.batch();
  const Learned learned = method.adaptation->learn(tasks, method.steps);
  auto entropy_of_task = [&](std::int64_t k) {
    const std::vector<double> logits = p.s.run(learned.predict(k, tasks.episode.query_x));
    const std::size_t ways = ImageProblem::kWays, rows = logits.size() / ways / 2;
    double total = 0;  // of the first task
    for (std::size_t row = 0; row < rows; ++row) {
      double sum = 0;
      for (std::size_t m = 0; m < ways; ++m) sum += std::exp(logits[row * ways + m]);
      for (std::size_t m = 0; m < ways; ++m) {
        const double share = std::exp(logits[row * ways + m]) / sum;
        total -= share * std::log(share);
      }
    }
    return total / double(rows);
  };
  const double expected = 2 * (entropy_of_task(1) - entropy_of_task(0));
  ASSERT_NE(expected, 0);
  EXPECT_NEAR(p.s.run(step.outer_loss - step.loss).at(0), expected, tolerance::kExactForms);
}

TEST(EntropyReduction, HasItsMetaGradient) {
  ImageProblem p;
  p.expect_gradient_of(
      p.record(compose(with({"regularize.entropy=0.5", "inner.steps=2", "inner.lr=0.1"}))));
}

}  // namespace
}  // namespace metatape
