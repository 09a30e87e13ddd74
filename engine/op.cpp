#include "engine/op.h"

namespace metatape {
namespace {

constexpr const OpDef* kDefinitions[] = {
#define MT_OP(name) &name##_def,
#include "engine/ops.def"
#undef MT_OP
};

constexpr const char* kNames[] = {
#define MT_OP(name) #name,
#include "engine/ops.def"
#undef MT_OP
};

}  // namespace

const OpDef& op_def(OpId op) { return *kDefinitions[std::size_t(op)]; }
const char* op_name(OpId op) { return kNames[std::size_t(op)]; }

Cost instruction_cost(OpId op, const PlanCall& call) {
  const OpDef& def = op_def(op);
  Cost cost;
  if (!runs(def)) return cost;
  cost.bytes = double(call.out.bytes());
  for (const ValueType& v : call.in) cost.bytes += double(v.bytes());
  cost.flops = def.flops ? def.flops(call) : double(call.out.shape.elements());
  return cost;
}

}  // namespace metatape
