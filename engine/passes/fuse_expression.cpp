#include "engine/passes/fuse_expression.h"

#include <algorithm>

#include "engine/ops/attributes.h"
#include "engine/passes/fused_group.h"

namespace metatape {

using namespace kernels;

bool can_be_inside(const Node& node) {
  return is_elementwise(node) ||
         (node.op == OpId::pool_scatter && !pool_windows_overlap(node.attr));
}

int ConeBuilder::leaf(int id, bool scattered) {
  FusedExpression& expression = cone_.expression;
  const int count = int(cone_.leaves.size());
  for (int k = 0; k < count; ++k)
    if (cone_.leaves[std::size_t(k)] == id && expression.is_scattered(k) == scattered) return k;
  if (count == kMaxFusedOperands) fits_ = false;
  if (!fits_) return 0;
  cone_.leaves.push_back(id);
  if (scattered) expression.scattered = std::uint8_t(expression.scattered | 1 << count);
  return count;
}

/// Expressions know one index: operands that another one scatters do not fit.
int ConeBuilder::scattered_leaf(int id) {
  const Node& scatter = graph_.nodes[std::size_t(id)];
  if (cone_.scatter < 0) cone_.scatter = id;
  if (index_of(cone_.scatter) != index_of(id) ||
      graph_.nodes[std::size_t(cone_.scatter)].type != scatter.type)
    fits_ = false;
  cone_.inside.push_back(id);
  results_.push_back(leaf(scatter.inputs[0], true));
  return results_.back();
}

int ConeBuilder::step(const Step& wanted) {
  if (!fits_) return 0;
  const auto found = std::find(steps_.begin(), steps_.end(), wanted);
  if (found != steps_.end()) return kFirstStep + int(found - steps_.begin());
  if (int(steps_.size()) == kMaxFusedOperations) fits_ = false;
  steps_.push_back(wanted);
  return kFirstStep + int(steps_.size()) - 1;
}

/// Operands first, then registers: a step writes the lowest one that holds nothing any more.
bool ConeBuilder::assign_slots() {
  const int count = int(steps_.size());
  std::vector<int> last_reader(steps_.size(), count);
  for (int i = 0; i < count; ++i)
    for (int source : {steps_[std::size_t(i)].a, steps_[std::size_t(i)].b})
      if (source >= kFirstStep) last_reader[std::size_t(source - kFirstStep)] = i;
  const int operands = int(cone_.leaves.size());
  std::vector<int> slot_of_step(steps_.size());
  std::array<int, kMaxFusedRegisters> busy_until{};
  FusedExpression& e = cone_.expression;
  e.operands = operands;
  e.operations = count;
  auto slot_of = [&](int source) {
    return source < kFirstStep ? source : slot_of_step[std::size_t(source - kFirstStep)];
  };
  for (int i = 0; i < count; ++i) {
    const Step& step = steps_[std::size_t(i)];
    const auto free =
        std::find_if(busy_until.begin(), busy_until.end(), [&](int until) { return until <= i; });
    if (free == busy_until.end()) return false;
    *free = last_reader[std::size_t(i)];
    const int reg = int(free - busy_until.begin());
    slot_of_step[std::size_t(i)] = operands + reg;
    e.registers = std::max(e.registers, reg + 1);
    e.code[std::size_t(i)] = {.function = step.function,
                              .a = std::uint8_t(slot_of(step.a)),
                              .b = std::uint8_t(slot_of(step.b)),
                              .result = std::uint8_t(operands + reg),
                              .alpha = step.constants.alpha,
                              .beta = step.constants.beta};
  }
  return true;
}

namespace {

constexpr const char* kFunctionNames[] = {
#define MT_NAME(name) #name,
    MT_UNARY_FUNCTIONS(MT_NAME) MT_BINARY_FUNCTIONS(MT_NAME)
#undef MT_NAME
};

std::string function_name(ElementwiseFunction f) {
  std::string name = kFunctionNames[std::size_t(f)];
  if (name.back() == '_') name.pop_back();
  return name;
}

std::string constants(const FusedOperation& op) {
  switch (op.function) {
    case ElementwiseFunction::affine:
      return fmt::format(", {}, {}", op.alpha, op.beta);
    case ElementwiseFunction::pow_:
    case ElementwiseFunction::relu:
    case ElementwiseFunction::relu_mask:
      return fmt::format(", {}", op.alpha);
    default:
      return {};
  }
}

}  // namespace

std::string describe_expression(const FusedExpression& e) {
  std::vector<std::string> slots;
  for (int k = 0; k < e.operands; ++k) {
    const auto name = std::string("%") + char('a' + k);
    slots.push_back(e.is_scattered(k) ? "scattered " + name : name);
  }
  slots.resize(slots.size() + std::size_t(e.registers));
  std::string text;
  for (int i = 0; i < e.operations; ++i) {
    const FusedOperation& op = e.code[std::size_t(i)];
    const std::string operands =
        is_unary(op.function) ? slots[op.a] : slots[op.a] + ", " + slots[op.b];
    const std::string name = fmt::format("t{}", i + 1);
    if (i + 1 < e.operations) text += name + " = ";
    text += fmt::format("{}({}{})", function_name(op.function), operands, constants(op));
    if (i + 1 < e.operations) text += "; ";
    slots[op.result] = name;
  }
  return text;
}

}  // namespace metatape
