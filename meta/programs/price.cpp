#include "meta/programs/price.h"

#include "engine/passes/fuse_cost.h"

namespace metatape {
namespace {

/// FLOPs in the time of a byte: 230 GFLOP/s beside 28 GB/s on two CPU cores, 67 TFLOP/s of fp32
/// beside 3.35 TB/s on a GPU.
double operations_per_byte(Device device) { return device == Device::cuda ? 20 : 8; }

}  // namespace

double Price::in_bytes() const {
  return bytes + flops / operations_per_byte(device) +
         instructions * fusion_cost(device).instruction;
}

Price price_of(const TrainingPrograms& programs) {
  const RecordedProgram& step = programs.stages.back().step;
  const Cost cost = step.program.cost();
  const double runs = double(step.runs);
  return {.flops = runs * cost.flops,
          .bytes = runs * cost.bytes,
          .instructions = runs * double(step.program.instruction_count()),
          .device = step.program.target.device};
}

}  // namespace metatape
