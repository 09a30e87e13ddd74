// Golden texts. A change that is meant to change them writes them anew:
//   MT_UPDATE_GOLDEN=1 engine_tests --gtest_filter='Dump.*'

#include "engine/dump.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "engine/autodiff.h"
#include "tests/support/sandbox.h"
#include "tests/support/temporary_folder.h"

namespace metatape {
namespace {

void expect_golden(const std::string& text, const std::string& name) {
  const std::string path = std::string(MT_GOLDEN_FOLDER "/") + name;
  if (std::getenv("MT_UPDATE_GOLDEN")) write_text(path, text);
  const std::string expected = read_text(path);
  ASSERT_FALSE(expected.empty()) << path;
  EXPECT_EQ(text, expected);
}

/// One inner step of a linear classifier for two tasks, recomputed by the outer gradient.
struct SmallTape {
  Tape tape;
  Var loss, gradient;
  SmallTape() {
    const Var w = tape.state("theta/w", {3, 2}, DType::f32);
    const Var x = tape.input("x", Shape{4, 2}.with_tasks(2), DType::f32);
    const Var y = tape.input("y", Shape{4}.with_tasks(2), DType::i32);
    auto loss_of = [&](Var v) { return cross_entropy(matmul(x, v, {.transpose_b = true}), y); };
    Var adapted = broadcast_tasks(w, 2);
    {
      const Scope scope(tape, "inner/0");
      const RecomputeSegment segment(tape);
      adapted = adapted - 0.5 * grad(loss_of(adapted), {&adapted, 1})[0];
    }
    const Scope scope(tape, "outer");
    loss = mean_tasks(loss_of(adapted));
    gradient = grad(loss, {&w, 1})[0];
  }
};

TEST(Dump, OfATapeIsItsGoldenText) { expect_golden(dump(SmallTape().tape), "small_tape.txt"); }

TEST(Dump, OfAProgramIsItsGoldenText) {
  const SmallTape small;
  expect_golden(dump(compile(small.tape, {.fetch = {small.loss, small.gradient}})),
                "small_program.txt");
}

TEST(Dump, DescribesConstantsOfEveryFamily) {
  Sandbox s;
  const Var image = s.zeros({2, 5, 5, 3}), filter = s.zeros({4, 3, 3, 3});
  auto text = [&](Var v) { return describe_instruction(s.tape, v.id); };
  EXPECT_EQ(text(image), "%0 = state() : f64 [2,5,5,3] \"value/0\"");
  EXPECT_EQ(text(conv2d(image, filter, {.stride = 2, .pad = 1})),
            "%2 = conv2d(%0, %1) stride=2, pad=1 : f64 [2,3,3,4]");
  EXPECT_EQ(text(max_pool_index(image, {.window = 3, .stride = 1})),
            "%3 = max_pool_index(%0) window=3, stride=1 : u8 [2,3,3,3]");
  EXPECT_EQ(text(slice(image, 1, 1, 5, 2)),
            "%4 = slice(%0) axis=1, start=1, step=2 : f64 [2,2,5,3]");
  EXPECT_EQ(text(relu(image, 0.1)), "%5 = relu(%0) 0.1, 0 : f64 [2,5,5,3]");
  EXPECT_EQ(text(cast(image, DType::f32)), "%6 = cast(%0) f32 : f32 [2,5,5,3]");
}

}  // namespace
}  // namespace metatape
