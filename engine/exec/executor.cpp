#include "engine/exec/executor.h"

#include <algorithm>

#include "engine/exec/cpu_executor.h"
#if MT_HAVE_CUDA
#include "engine/exec/cuda_executor.h"
#endif

namespace metatape {
namespace {

void require_state(StateStore& store, const Slot& slot) {
  const auto [found, created] = store.try_emplace(slot.name, slot.shape, slot.dtype);
  const Tensor& tensor = found->second;
  if (tensor.shape() != slot.shape || tensor.dtype() != slot.dtype)
    fail(ErrorKind::shape, slot.name, "the stored state is {} {}, the program needs {} {}",
         dtype_name(tensor.dtype()), tensor.shape().str(), dtype_name(slot.dtype),
         slot.shape.str());
}

void require_ranks(const Target& target) {
  const int found = target.communicator ? target.communicator->size() : 1;
  if (found != target.ranks)
    fail(ErrorKind::usage, "ranks", "the program is for {} ranks, found {}", target.ranks, found);
}

}  // namespace

Executor::Executor(const Program& program, StateStore& store) : program_(program), store_(store) {
  const Graph& graph = program.graph;
  for (int n = 0; n < int(graph.nodes.size()); ++n) {
    const OpId op = graph.nodes[std::size_t(n)].op;
    if (op != OpId::state && op != OpId::input) continue;
    const Slot& slot = graph.slot_of(n);
    if (op == OpId::state)
      require_state(store, slot);
    else
      inputs_.try_emplace(slot.name, slot.shape, slot.dtype);
  }
}

Tensor& Executor::input(const std::string& name) {
  const auto found = inputs_.find(name);
  if (found != inputs_.end()) {
    written_.insert(name);
    return found->second;
  }
  std::vector<std::string> names;
  for (const auto& [known, tensor] : inputs_) names.push_back(known);
  fail(ErrorKind::usage, name, "the program has no such input; it has: {}", fmt::join(names, ", "));
}

void Executor::feed(const std::string& name, const Tensor& value) {
  Tensor& slot = input(name);
  if (slot.shape() != value.shape() || slot.dtype() != value.dtype())
    fail(ErrorKind::shape, name, "fed {} {}, the program expects {} {}", dtype_name(value.dtype()),
         value.shape().str(), dtype_name(slot.dtype()), slot.shape().str());
  std::ranges::copy(value.bytes(), slot.bytes().begin());
}

bool Executor::waits_for_others(const Node& node) const {
  return program_.target.ranks > 1 && op_def(node.op).communicates;
}

std::unique_ptr<Executor> make_executor(const Program& program, StateStore& store) {
  require_ranks(program.target);
#if MT_HAVE_CUDA
  if (program.target.device == Device::cuda) return std::make_unique<CudaExecutor>(program, store);
#endif
  require_device(program.target.device);
  return std::make_unique<CpuExecutor>(program, store);
}

}  // namespace metatape
