#include "engine/params.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"
#include "tests/support/sandbox.h"

namespace metatape {
namespace {

using Elements = std::vector<double>;

struct TwoSets {
  Sandbox s;
  ParamSet a, b;
  TwoSets() {
    a.add("conv.weight", "body", s.value({2}, {1, 2}));
    a.add("head.bias", "head", s.value({}, {3}));
    b.add("conv.weight", "body", s.value({2}, {10, 20}));
    b.add("head.bias", "head", s.value({}, {30}));
  }
  Elements joined(const ParamSet& set) {
    Elements all;
    for (Var v : set.values())
      for (double value : s.run(v)) all.push_back(value);
    return all;
  }
};

TEST(ParamSet, ArithmeticGoesEntryByEntry) {
  TwoSets t;
  EXPECT_EQ(t.joined(t.a + t.b), (Elements{11, 22, 33}));
  EXPECT_EQ(t.joined(t.b - t.a), (Elements{9, 18, 27}));
  EXPECT_EQ(t.joined(0.5 * t.b), (Elements{5, 10, 15}));
  EXPECT_EQ(t.s.run(dot(t.a, t.b)), (Elements{10 + 40 + 90}));
  EXPECT_EQ(t.s.run(norm(4.0 * t.a)), (Elements{4 * std::sqrt(14.0)}));
}

TEST(ParamSet, KeepsNamesAndGroups) {
  TwoSets t;
  const ParamSet sum = t.a + t.b;
  ASSERT_EQ(sum.size(), 2u);
  EXPECT_EQ(sum.entries()[1].name, "head.bias");
  EXPECT_EQ(sum.entries()[1].group, "head");
  EXPECT_EQ(sum["conv.weight"].id, sum.values()[0].id);
}

TEST(ParamSet, BroadcastsAndAveragesTasks) {
  TwoSets t;
  const ParamSet spread = broadcast_tasks(t.a, 3);
  EXPECT_EQ(spread["conv.weight"].tasks(), 3);
  EXPECT_EQ(t.joined(mean_tasks(spread)), t.joined(t.a));
}

TEST(ParamSet, GradientHasTheSameNames) {
  TwoSets t;
  const ParamSet gradient = grad(dot(t.a, t.b), t.a);
  EXPECT_EQ(t.joined(gradient), t.joined(t.b));
  EXPECT_EQ(gradient.entries()[0].name, "conv.weight");
  const ParamSet constant = stop_gradient(t.a);
  EXPECT_EQ(t.joined(grad(dot(constant, constant), t.a)), (Elements{0, 0, 0}));
}

TEST(ParamSet, RefusesUnknownAndRepeatedNames) {
  TwoSets t;
  expect_error(ErrorKind::usage,
               "[conv.bias] no parameter of that name; there are: conv.weight, head.bias",
               [&] { t.a["conv.bias"]; });
  expect_error(ErrorKind::usage, "[head.bias] a parameter of that name is declared twice",
               [&] { t.a.add("head.bias", "head", t.s.scalar(1)); });
}

TEST(ParamSet, RefusesSetsOfOtherNames) {
  TwoSets t;
  ParamSet one;
  one.add("conv.weight", "body", t.s.zeros({2}));
  expect_error(ErrorKind::usage, "sets of 2 and 1 entries do not match", [&] { t.a + one; });
}

TEST(DeclareParameters, AreStatesBelowTheta) {
  Tape tape;
  const Parameter parameters[] = {{"head.bias", "head", {5}}};
  const ParamSet set = declare_parameters(tape, parameters, DType::f32);
  ASSERT_EQ(tape.slots().size(), 1u);
  EXPECT_EQ(tape.slots()[0].name, "theta/head.bias");
  EXPECT_EQ(tape.slots()[0].kind, Slot::Kind::state);
  EXPECT_EQ(set["head.bias"].shape(), Shape{5});
  EXPECT_EQ(set["head.bias"].dtype(), DType::f32);
}

}  // namespace
}  // namespace metatape
