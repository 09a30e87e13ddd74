#include "engine/exec/step_end.h"

#include <algorithm>

#include "engine/error.h"

namespace metatape {
namespace {

using kernels::StateCopy;
using kernels::StepCounters;

std::size_t bytes_of(const Program& program, int node) {
  return program.graph.nodes[std::size_t(node)].type.bytes();
}

template <class T>
DeviceBuffer send(const std::vector<T>& table, const char* what) {
  DeviceBuffer buffer(table.size() * sizeof(T), what);
  check_cuda(cudaMemcpy(buffer.get(), table.data(), buffer.bytes(), cudaMemcpyHostToDevice), what);
  return buffer;
}

/// Cuts a copy into what one block does.
void add_parts(const void* from, void* to, std::size_t bytes, std::vector<StateCopy>& table) {
  const auto* source = static_cast<const std::uint32_t*>(from);
  auto* target = static_cast<std::uint32_t*>(to);
  const auto elements = std::int64_t(bytes / sizeof(std::uint32_t));
  for (std::int64_t done = 0; done < elements; done += kernels::kStateCopyElements)
    table.push_back(
        {source + done, target + done, std::min(kernels::kStateCopyElements, elements - done)});
}

std::int64_t parts_in(const DeviceBuffer& table) {
  return std::int64_t(table.bytes() / sizeof(StateCopy));
}

}  // namespace

StepEnd::StepEnd(const Program& program, const Placement& placement, int capacity)
    : program_(program), capacity_(capacity) {
  const Graph& graph = program.graph;
  // An update that is itself a state must not see the states that the others change.
  std::size_t staged_bytes = 0;
  for (const StateUpdate& u : graph.updates)
    if (!placement.in_arena(u.value)) staged_bytes += bytes_of(program, u.value);
  staging_ = DeviceBuffer(staged_bytes, "states on their way into others");

  std::vector<StateCopy> stages, copies;
  auto* staging = static_cast<std::byte*>(staging_.get());
  for (const StateUpdate& u : graph.updates) {
    const std::size_t bytes = bytes_of(program, u.value);
    const void* from = placement.address(u.value);
    if (!placement.in_arena(u.value)) {
      add_parts(from, staging, bytes, stages);
      from = staging;
      staging += bytes;
    }
    add_parts(from, placement.address(u.state), bytes, copies);
  }
  stages_ = send(stages, "table of staged states");
  copies_ = send(copies, "table of states");

  std::vector<const void*> scalars;
  for (int id : graph.fetches) scalars.push_back(placement.address(id));
  scalars_ = send(scalars, "table of fetched scalars");
  ring_ = DeviceBuffer(sizeof(float) * std::size_t(capacity) * scalars.size(), "ring of metrics");
  counters_ = DeviceBuffer(sizeof(StepCounters), "step counters");
}

void StepEnd::enqueue_commit(const kernels::CudaContext& context) const {
  copy_states(static_cast<StateCopy*>(stages_.get()), parts_in(stages_), nullptr, context);
  copy_states(static_cast<StateCopy*>(copies_.get()), parts_in(copies_), nullptr, context);
}

void StepEnd::require_scalars() const {
  const Graph& graph = program_.graph;
  const bool scalar = std::all_of(graph.fetches.begin(), graph.fetches.end(), [&](int id) {
    const ValueType& type = graph.nodes[std::size_t(id)].type;
    return type.dtype == DType::f32 && type.shape.elements() == 1;
  });
  if (graph.fetches.empty() || !scalar)
    fail(ErrorKind::usage, "step",
         "every fetched value must be one f32, and there must be one; fetch the mean loss first, "
         "or use run() and commit()");
}

void StepEnd::enqueue_step(const kernels::CudaContext& context) const {
  require_scalars();
  auto* counters = static_cast<StepCounters*>(counters_.get());
  record_step({.scalars = static_cast<const float* const*>(scalars_.get()),
               .count = std::int32_t(program_.graph.fetches.size()),
               .capacity = capacity_,
               .ring = static_cast<float*>(ring_.get()),
               .counters = counters},
              context);
  copy_states(static_cast<StateCopy*>(stages_.get()), parts_in(stages_), counters, context);
  copy_states(static_cast<StateCopy*>(copies_.get()), parts_in(copies_), counters, context);
}

std::vector<std::vector<double>> StepEnd::read(int steps) const {
  StepCounters counters;
  check_cuda(cudaMemcpy(&counters, counters_.get(), sizeof counters, cudaMemcpyDeviceToHost),
             "reading the step counters");
  const std::size_t columns = program_.graph.fetches.size();
  std::vector<float> ring(std::size_t(capacity_) * columns);
  check_cuda(cudaMemcpy(ring.data(), ring_.get(), ring_.bytes(), cudaMemcpyDeviceToHost),
             "reading the ring of metrics");
  std::vector<std::vector<double>> rows;
  for (int step = counters.steps - steps; step < counters.steps; ++step) {
    const auto row = ring.begin() + std::ptrdiff_t(std::size_t(step % capacity_) * columns);
    rows.emplace_back(row, row + std::ptrdiff_t(columns));
  }
  return rows;
}

}  // namespace metatape
