// Every sample input of every operation through check_op, and the proof that none is missing.

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "engine/op.h"
#include "tests/ops/op_cases.h"
#include "tests/support/check_op.h"

namespace metatape {
namespace {

std::vector<std::string> subjects() {
  std::vector<std::string> names;
  for (const OpCase& sample : all_op_cases())
    if (names.empty() || names.back() != sample.subject) names.push_back(sample.subject);
  const std::set<std::string> unique(names.begin(), names.end());
  return {unique.begin(), unique.end()};
}

class OpCheck : public testing::TestWithParam<std::string> {};

TEST_P(OpCheck, AgreesWithReferenceAndDifferencesToSecondOrder) {
  for (const OpCase& sample : all_op_cases())
    if (sample.subject == GetParam()) check_op(sample);
}

INSTANTIATE_TEST_SUITE_P(Ops, OpCheck, testing::ValuesIn(subjects()), [](const auto& parameter) {
  std::string name;
  bool start = true;
  for (char c : parameter.param) {
    const bool is_letter = std::isalnum(c) != 0;
    if (is_letter) name += start ? char(std::toupper(c)) : c;
    start = !is_letter;
  }
  return name;
});

/// Declared and fed by the tape itself, or (the seed) never run: tape and autodiff tests hold them.
/// Fused ones are never recorded: every check runs them, and fuse_test holds them.
const std::set<OpId> kNotOperations{OpId::input,  OpId::state,     OpId::tangent_seed,
                                    OpId::fused,  OpId::fused_sum, OpId::fused_pool_index,
                                    OpId::moments};

bool records(const OpCase& sample, OpId op) {
  Tape tape;
  std::vector<Var> operands;
  for (std::size_t k = 0; k < sample.operands.size(); ++k)
    operands.push_back(
        tape.input("x" + std::to_string(k), sample.operands[k].shape, sample.operands[k].dtype));
  sample.build(tape, operands);
  for (int id = 0; id < tape.size(); ++id)
    if (tape.at(id).op == op) return true;
  return false;
}

// Only records tapes; the numbers are the matter of the test above, which runs the same list.
TEST(OpCompleteness, EveryLineOfOpsDefHasItsSampleInputs) {
  std::map<OpId, int> samples, differentiated;
  std::set<std::string> names;
  for (const OpCase& sample : all_op_cases()) {
    EXPECT_TRUE(names.insert(sample.subject + ": " + sample.name).second)
        << sample.subject << " has two samples " << sample.name;
    if (!sample.op) continue;
    EXPECT_TRUE(records(sample, *sample.op))
        << sample.subject << ", " << sample.name << " does not record " << op_name(*sample.op);
    ++samples[*sample.op];
    differentiated[*sample.op] += sample.curvature != Curvature::constant;
  }
  for (int k = 0; k < kOpCount; ++k) {
    const OpId op = OpId(k);
    if (kNotOperations.contains(op)) continue;
    EXPECT_GE(samples[op], kSamplesPerOp) << "sample inputs of " << op_name(op);
    if (op_def(op).vjp)
      EXPECT_GE(differentiated[op], kSamplesPerOp) << "differentiated samples of " << op_name(op);
    else
      EXPECT_EQ(differentiated[op], 0) << op_name(op) << " has no derivative rule";
  }
}

}  // namespace
}  // namespace metatape
