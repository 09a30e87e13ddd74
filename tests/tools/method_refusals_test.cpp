// Combinations of settings that make no sense end with exit code 2 and a message that names the
// setting and the reason; data that a method cannot work with ends with 4, or is mended and said.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "meta/data/pack_writer.h"
#include "tests/tools/small_run.h"

namespace metatape {
namespace {

constexpr int kUsage = 2, kNumerical = 4;

struct Refusal {
  const char* settings;  ///< separated by blanks
  const char* key;       ///< that the message names
  const char* reason;    ///< with which it goes on
};

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> all;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    all.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return all;
}

/// Each row by one of the commands that take settings, in turn; none leaves a file.
void expect_all_refused(std::span<const Refusal> rows) {
  const Workplace place;
  const Arguments commands[] = {
      {"plan"}, {"train", "--out", "run"}, {"step", "--dump", "step.safetensors"}};
  std::size_t turn = 0;
  for (const Refusal& row : rows) {
    SCOPED_TRACE(row.settings);
    expect_failure(place, commands[turn++ % 3] + settings(words(row.settings)), kUsage,
                   fmt::format("[{}] {}", row.key, row.reason));
  }
  EXPECT_TRUE(place.files_in("").empty());
}

TEST(MethodRefusals, HeadsInClosedForm) {
  constexpr Refusal kRows[] = {
      {"inner.solver=ridge inner.adapt=head", "inner.adapt",
       "ridge solves for a head of its own and adapts no parameters, found head"},
      {"inner.solver=prototypes inner.adapt=body", "inner.adapt",
       "prototypes solves for a head of its own"},
      {"inner.solver=rbf_ridge inner.order=first", "inner.order",
       "rbf_ridge has no inner gradients, found first; use head.first_order=true"},
      {"inner.solver=svm inner.recompute=true", "inner.recompute", "svm has no inner steps"},
      {"inner.solver=ridge head.lambda=0", "head.lambda",
       "found 0: it makes the system of ridge positive definite"},
      {"inner.solver=rbf_ridge head.lambda=-1", "head.lambda",
       "-1 is not possible; expected a number >= 0"},
      {"inner.solver=ridge head.scale=0", "head.scale", "found 0: logits of no size"},
      {"inner.solver=svm head.margin=0", "head.margin", "found 0: it bounds the dual variables"},
      {"inner.solver=rbf_ridge head.learn=false", "head.sigma",
       "a width that comes from the first"},
      {"inner.solver=prototypes task.kind=sinusoid task.ways=1 model.name=mlp", "inner.solver",
       "prototypes needs classes"},
      {"inner.solver=ridge inner.rates=per_element", "inner.rates",
       "ridge takes no gradient steps whose sizes could be learned"},
      {"inner.solver=svm inner.optimizer=adam", "inner.optimizer", "svm takes no gradient steps"},
      {"inner.solver=prototypes inner.batch=1", "inner.batch",
       "prototypes needs the whole support"},
      {"inner.solver=ridge inner.per_step_norm=true", "inner.per_step_norm", "ridge takes no"},
      {"inner.solver=ridge outer.query_loss=multi_step", "outer.query_loss",
       "ridge takes no gradient steps whose losses could be weighed"},
      {"inner.solver=prototypes outer.gradient=displacement", "outer.gradient",
       "prototypes takes no gradient steps that could go anywhere"},
      {"inner.solver=ridge regularize.phase=0.1", "regularize.phase", "ridge takes no gradient"},
      {"inner.solver=ridge regularize.information=0.1", "regularize.information",
       "the functional gradient and the information of a kernel are defined for kernel ridge"},
      {"regularize.gradient_norm=0.1", "regularize.gradient_norm",
       "the functional gradient and the information of a kernel are defined for kernel ridge"},
      {"regularize.information=0.1 regularize.information_kind=mutual task.kind=sinusoid "
       "task.ways=1 model.name=mlp",
       "regularize.information", "mutual information needs class probabilities"},
  };
  expect_all_refused(kRows);
}

TEST(MethodRefusals, ProximalSolutions) {
  constexpr Refusal kRows[] = {
      {"inner.solver=proximal", "outer.gradient",
       "the steps of inner.solver=proximal are constant"},
      {"outer.gradient=implicit", "outer.gradient", "implicit is for the solution of a proximal"},
      {"inner.solver=ridge outer.gradient=symmetric_difference", "outer.gradient",
       "symmetric_difference is for the solution of a proximal problem, found inner.solver=ridge"},
      {"inner.solver=proximal outer.gradient=implicit inner.lambda=0", "inner.lambda",
       "without a pull to the start a solution forgets the meta-parameters"},
      {"inner.solver=proximal outer.gradient=implicit inner.lambda=-2", "inner.lambda",
       "-2 is not possible; expected a number >= 0"},
      {"inner.solver=proximal outer.gradient=implicit inner.adapt=head", "inner.adapt",
       "the proximal problem is over all parameters"},
      {"inner.solver=proximal outer.gradient=implicit model.context=4", "inner.adapt",
       "the proximal problem is over all parameters"},
      {"inner.solver=proximal outer.gradient=implicit inner.order=first", "inner.order",
       "the steps of inner.solver=proximal are constants already"},
      {"inner.solver=proximal outer.gradient=implicit inner.recompute=true", "inner.recompute",
       "the steps of inner.solver=proximal keep nothing"},
      {"inner.solver=proximal outer.gradient=implicit inner.batch=1", "inner.batch",
       "proximal needs the whole support set"},
      {"inner.solver=proximal outer.gradient=forward_difference outer.difference=0",
       "outer.difference", "forward_difference divides by it; expected a number > 0"},
      {"inner.solver=proximal outer.gradient=symmetric_difference inner.hvp=difference",
       "inner.hvp", "symmetric_difference has no Hessian-vector products"},
      {"inner.solver=proximal outer.gradient=symmetric_difference regularize.information=0.1 "
       "regularize.information_kind=mutual",
       "outer.gradient", "symmetric_difference perturbs by the query loss alone"},
  };
  expect_all_refused(kRows);
}

TEST(MethodRefusals, OrdersAndDifferencedProducts) {
  constexpr Refusal kRows[] = {
      {"inner.order=first inner.recompute=true", "inner.recompute",
       "a first-order method keeps nothing of the inner steps"},
      {"inner.order=first inner.exact_from=10", "inner.exact_from",
       "the order becomes exact at meta-step 10, but inner.order=first says never"},
      {"inner.order=exact inner.optimizer=adam", "inner.optimizer",
       "the root in Adam has no derivative where a gradient is 0"},
      {"inner.hvp=difference inner.order=first", "inner.hvp", "differenced products run the"},
      {"inner.hvp=difference inner.adapt=head", "inner.hvp", "differenced products run the"},
      {"inner.hvp=difference inner.rates=per_element", "inner.hvp",
       "the reverse recursion with differenced products knows steps of one fixed size"},
      {"inner.hvp=difference inner.batch=1 task.shots=2", "inner.hvp",
       "the reverse recursion with differenced products knows steps of one fixed size"},
      {"inner.hvp=difference outer.query_loss=multi_step", "inner.hvp",
       "the reverse recursion with differenced products starts at the last step"},
      {"inner.hvp=difference regularize.amplitude=0.1", "inner.hvp",
       "the reverse recursion with differenced products starts at the last step"},
      {"inner.hvp=difference inner.solver=ridge", "inner.hvp", "differenced products run the"},
  };
  expect_all_refused(kRows);
}

TEST(MethodRefusals, InnerLoopsAndWhatReadsThem) {
  constexpr Refusal kRows[] = {
      {"inner.adapt=context", "inner.adapt", "the model has no context parameters to adapt"},
      {"model.name=resnet12 model.context=4", "model.context", "resnet12 has no context"},
      {"inner.rates=per_layer_step inner.steps=0", "inner.rates", "there are no inner steps to"},
      {"inner.batch=3", "inner.batch", "3 examples per class in a step, but the support set has 1"},
      {"inner.per_step_norm=true task.kind=sinusoid task.ways=1 model.name=mlp",
       "inner.per_step_norm", "mlp has no batch norm"},
      {"regularize.shot=true", "regularize.shot", "it is a variant of the phase loss"},
      {"regularize.teacher_detach=true", "regularize.teacher_detach", "it is a variant of the"},
      {"regularize.phase=0.1 inner.steps=1", "regularize.phase", "one step is straight already"},
      {"regularize.phase=0.1 inner.steps=3 regularize.shot=true inner.rates=per_element",
       "regularize.shot", "its straight step is inner.steps * inner.lr long"},
      {"regularize.phase=0.1 inner.steps=3 inner.per_step_norm=true", "regularize.phase",
       "the straight step would have no batch norm of its own"},
      {"regularize.amplitude=0.1 inner.steps=0", "regularize.amplitude",
       "there are no inner steps to be straight or long"},
      {"outer.query_loss=multi_step inner.steps=0", "outer.query_loss",
       "multi_step weighs the losses after each inner step"},
  };
  expect_all_refused(kRows);
}

TEST(MethodRefusals, OuterRules) {
  constexpr Refusal kRows[] = {
      {"outer.gradient=displacement inner.steps=0", "outer.gradient",
       "displacement is that of the inner steps, found none"},
      {"outer.gradient=displacement inner.rates=per_element", "outer.gradient",
       "displacement moves what the inner loop changes"},
      {"outer.gradient=displacement inner.adapt=context model.context=3", "outer.gradient",
       "the inner loop changes the context alone"},
      {"outer.gradient=displacement inner.steps=3 regularize.phase=0.1", "outer.gradient",
       "displacement minimises no query loss"},
      {"outer.combine=similarity outer.tasks=1", "outer.combine",
       "similarity compares tasks, found outer.tasks=1"},
      {"outer.momentum=0.9", "outer.momentum", "adam has moments of its own"},
      {"outer.optimizer=normalized_sgd outer.momentum=1", "outer.momentum",
       "normalized_sgd weights new gradients by 1 - momentum, found 1"},
      {"task.kind=sinusoid task.ways=1", "model.name", "sinusoid tasks have one number as input"},
      {"task.ways=1", "task.ways", "a classification task needs two classes at least"},
  };
  expect_all_refused(kRows);
}

// ---- what only the data can tell ---------------------------------------------------------------

const std::vector<std::string> kImplicit = {"inner.solver=proximal", "outer.gradient=implicit",
                                            "inner.steps=8",         "inner.lr=0.01",
                                            "inner.lambda=0.01",     "train.iterations=2"};

TEST(MethodFailures, IndefiniteSystemIsANumericalFailure) {
  const SmallRun run;
  expect_failure(run, run.train("run", kImplicit), kNumerical,
                 "is not positive definite at inner.lambda=0.01, inner.damping=0; use a larger "
                 "inner.lambda, more damping, or inner.indefinite=truncate");
  std::vector<std::string> damped = kImplicit;
  damped.push_back("inner.damping=1e6");
  run.result_of(run.train("damped", damped));
}

/// A set of `pictures` different images: all of a class are the same, and so are those of every
/// pictures-th class.
void write_duplicates(const std::filesystem::path& path, int pictures) {
  constexpr std::int32_t kClasses = 8, kImages = 6, kSide = 12;
  PackedHeader header{
      .kind = "twins", .height = kSide, .width = kSide, .channels = 1, .scale = "noise"};
  PackedSplit split{.name = "twins"};
  for (std::int32_t c = 0; c < kClasses; ++c) {
    header.classes.push_back({.name = "class" + std::to_string(c),
                              .first = std::int64_t(c) * kImages,
                              .count = kImages});
    split.train.push_back(c);
  }
  header.splits = {split};
  PackWriter writer(path, header);
  for (std::int32_t i = 0; i < kClasses * kImages; ++i) {
    std::mt19937 random(std::uint32_t(i / kImages % pictures));
    std::vector<std::uint8_t> pixels;
    for (int p = 0; p < kSide * kSide; ++p) pixels.push_back(std::uint8_t(random() % 256));
    writer.add(pixels);
  }
  writer.commit();
}

TEST(MethodFailures, GramMatrixOfDuplicatesGetsJitterAndAWarning) {
  const SmallRun run;
  write_duplicates(run.path("small.mtd"), 8);
  for (const std::string solver : {"ridge", "rbf_ridge"}) {
    const std::vector<std::string> twice = {"inner.solver=" + solver, "head.sigma=1",
                                            "task.shots=2", "train.iterations=2"};
    std::vector<std::string> singular = twice;
    singular.push_back("head.lambda=1e-30");
    const CommandResult mended = run.run(run.train(solver, singular));
    EXPECT_EQ(mended.exit_code, 0) << mended.errors;
    EXPECT_NE(mended.errors.find("raised the diagonal of 3 of 3 matrices"), std::string::npos)
        << mended.errors;
    const CommandResult regular = run.run(run.train(solver + "-regular", twice));
    EXPECT_EQ(regular.exit_code, 0) << regular.errors;
    EXPECT_EQ(regular.errors.find("raised the diagonal"), std::string::npos) << regular.errors;
  }
}

TEST(MethodFailures, KernelWidthOfEqualImagesIsANumericalFailure) {
  const SmallRun run;
  write_duplicates(run.path("small.mtd"), 1);
  expect_failure(run, run.train("run", {"inner.solver=rbf_ridge"}), kNumerical,
                 "[head.sigma] the features of the first batch do not differ");
}

TEST(MethodFailures, DivergingProximalStepsAreANumericalFailure) {
  const SmallRun run;
  std::vector<std::string> steep = kImplicit;
  for (const char* more : {"inner.lambda=100", "inner.lr=10", "inner.steps=20"})
    steep.push_back(more);
  expect_failure(run, run.train("run", steep), kNumerical, "try a smaller inner.lr or outer.lr");
}

}  // namespace
}  // namespace metatape
