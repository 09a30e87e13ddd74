#include "engine/exec/cpu_executor.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "engine/dump.h"
#include "engine/exec/nonfinite.h"
#include "engine/status.h"

namespace metatape {

/// One anonymous mapping. Filled with NaN at the start when assertions are on, so that a value read
/// before it was written cannot pass for a number.
class CpuExecutor::Arena {
 public:
  explicit Arena(std::size_t bytes) : bytes_(std::max<std::size_t>(bytes, 1)) {
    base_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base_ == MAP_FAILED)
      fail(ErrorKind::memory, "arena",
           "the system refused {} MiB for the values of this program; use fewer tasks at once "
           "(outer.tasks) or inner.recompute=true",
           bytes >> 20);
    madvise(base_, bytes_, MADV_HUGEPAGE);
#ifndef NDEBUG
    auto* words = static_cast<float*>(base_);
    for (std::size_t i = 0; i < bytes_ / sizeof(float); ++i)
      words[i] = std::numeric_limits<float>::quiet_NaN();
#endif
  }
  ~Arena() { munmap(base_, bytes_); }
  Arena(const Arena&) = delete;

  void* base() const { return base_; }

 private:
  void* base_;
  std::size_t bytes_;
};

CpuExecutor::CpuExecutor(const Program& program, StateStore& store)
    : Executor(program, store),
      arena_(std::make_unique<Arena>(program.plan.arena_bytes)),
      placement_(program, arena_->base(),
                 [this](const Slot& slot) -> void* {
                   return slot.kind == Slot::Kind::state ? store_.at(slot.name).bytes().data()
                                                         : inputs_.at(slot.name).bytes().data();
                 }),
      steps_(placement_.steps()),
      trace_(std::getenv("MT_TRACE") != nullptr) {}

CpuExecutor::~CpuExecutor() = default;

void CpuExecutor::execute(const Step& s) const {
  const kernels::CpuContext context{.threads = program_.target.threads,
                                    .winograd = program_.target.winograd,
                                    .communicator = program_.target.communicator};
  const KernelCall call = placement_.call(s);
  op_def(call.op).kernel.cpu({call, context});
}

void CpuExecutor::run() {
  using Clock = std::chrono::steady_clock;
  for (const Step& s : steps_) {
    const Node& node = program_.graph.nodes[std::size_t(s.node)];
    const auto start = trace_ ? Clock::now() : Clock::time_point();
    execute(s);
    if (trace_)
      std::fprintf(stderr, "trace %d %s %s %.1f us\n", node.instruction, op_name(node.op),
                   node.type.shape.str().c_str(),
                   std::chrono::duration<double, std::micro>(Clock::now() - start).count());
  }
  warnings_.clear();
  for (const Step& s : steps_)
    if (s.status) read_status(program_.graph, s.node, s.status, warnings_);
}

void CpuExecutor::commit() {
  const Graph& graph = program_.graph;
  // An update that is itself a state must not see the states that this loop changes.
  std::vector<std::vector<std::byte>> staged(graph.updates.size());
  auto size = [&](const StateUpdate& u) {
    return store_.at(graph.slot_of(u.state).name).bytes().size();
  };
  for (std::size_t k = 0; k < graph.updates.size(); ++k) {
    const StateUpdate& u = graph.updates[k];
    if (placement_.in_arena(u.value)) continue;
    const auto* from = static_cast<const std::byte*>(placement_.address(u.value));
    staged[k].assign(from, from + size(u));
  }
  for (std::size_t k = 0; k < graph.updates.size(); ++k) {
    const StateUpdate& u = graph.updates[k];
    const auto* from = staged[k].empty()
                           ? static_cast<const std::byte*>(placement_.address(u.value))
                           : staged[k].data();
    std::copy_n(from, size(u), store_.at(graph.slot_of(u.state).name).bytes().begin());
  }
}

Tensor CpuExecutor::fetch(std::size_t k) const {
  const int id = program_.graph.fetches.at(k);
  const ValueType& type = program_.graph.nodes[std::size_t(id)].type;
  Tensor result(type.shape, type.dtype);
  std::copy_n(static_cast<const std::byte*>(placement_.address(id)), result.bytes().size(),
              result.bytes().begin());  // memcpy must not see the null pointer of an empty value
  return result;
}

void CpuExecutor::step() {
  run();
  std::vector<double> scalars;
  for (std::size_t k = 0; k < program_.graph.fetches.size(); ++k) scalars.push_back(fetch(k).at(0));
  stopped_ = stopped_ || !std::isfinite(scalars.at(0));
  if (!stopped_) commit();
  collected_.push_back(std::move(scalars));
}

std::vector<std::vector<double>> CpuExecutor::collect() { return std::exchange(collected_, {}); }

std::string CpuExecutor::find_nonfinite(std::int64_t first_task) {
  for (const auto& [name, tensor] : inputs_)
    if (const auto place =
            place_of_nonfinite(tensor.bytes().data(), {tensor.shape(), tensor.dtype()}, first_task))
      return fmt::format("input {}{}", name, *place);
  for (const Step& s : steps_) {
    const Node& node = program_.graph.nodes[std::size_t(s.node)];
    if (waits_for_others(node)) break;
    execute(s);
    if (const auto place = place_of_nonfinite(s.out, node.type, first_task))
      return describe_instruction(*program_.graph.tape, node.instruction) + *place;
  }
  return {};
}

}  // namespace metatape
