#include "engine/exec/cuda_executor.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <thread>

#include "engine/dump.h"
#include "engine/exec/nonfinite.h"
#include "engine/status.h"
#include "kernels/matmul/cuda_blas.h"

namespace metatape {
namespace {

constexpr const char* kReplay = "running the program (MT_SYNC=1 names the instruction)";

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value && *value && std::string(value) != "0";
}

std::optional<std::string> place_of_nonfinite(const Tensor& tensor, std::int64_t first_task) {
  return metatape::place_of_nonfinite(tensor.bytes().data(), {tensor.shape(), tensor.dtype()},
                                      first_task);
}

/// The GPU has kernels for f32: a program that needs f64 is refused before it takes memory.
void require_single_precision(const Program& program) {
  for (const Node& node : program.graph.nodes)
    if (node.type.dtype == DType::f64)
      fail_at(program.graph.tape->at(node.instruction).where, ErrorKind::dtype, op_name(node.op),
              "instruction %{} is f64, the GPU computes in f32; use --device cpu for fp64",
              node.instruction);
}

const Program& checked(const Program& program) {
  require_device(Device::cuda);
  require_single_precision(program);
  return program;
}

}  // namespace

CudaExecutor::CudaExecutor(const Program& program, StateStore& store)
    : Executor(checked(program), store),
      slots_(allocate_slots()),
      arena_(program.plan.arena_bytes, "arena"),
      placement_(program, arena_.get(),
                 [this](const Slot& slot) { return slots_.at(slot.name).get(); }),
      steps_(placement_.steps()),
      blas_workspace_(kernels::CudaBlas::kWorkspaceBytes, "workspace of cuBLAS"),
      blas_(std::make_unique<kernels::CudaBlas>(stream_.get(), program.target.precision,
                                                blas_workspace_.get())),
      context_{.stream = stream_.get(),
               .precision = program.target.precision,
               .blas = blas_.get(),
               .communicator = program.target.communicator},
      end_(program, placement_, kStepsAhead),
      one_by_one_(is_set("MT_SYNC") || is_set("MT_TRACE")),
      trace_(is_set("MT_TRACE")) {
  check_libraries();
  write_states();
  for (const auto& [name, tensor] : inputs_) written_.insert(name);
  // Clearing and copies from pageable memory may still be under way, and the stream, which does not
  // block, would not wait for them.
  check_cuda(cudaDeviceSynchronize(), "preparing the device");
}

CudaExecutor::~CudaExecutor() = default;

std::map<std::string, DeviceBuffer> CudaExecutor::allocate_slots() {
  std::map<std::string, DeviceBuffer> slots;
  const Graph& graph = program_.graph;
  for (int n = 0; n < int(graph.nodes.size()); ++n) {
    const Node& node = graph.nodes[std::size_t(n)];
    if (node.op != OpId::input && node.op != OpId::state) continue;
    const Slot& slot = graph.slot_of(n);
    const std::size_t bytes = node.type.bytes();
    slots.try_emplace(slot.name, bytes, slot.name);
  }
  return slots;
}

void CudaExecutor::write_states() {
  for (auto& [name, buffer] : slots_) {
    const auto state = store_.find(name);
    if (state == store_.end() || inputs_.contains(name)) continue;
    check_cuda(cudaMemcpy(buffer.get(), state->second.bytes().data(), buffer.bytes(),
                          cudaMemcpyHostToDevice),
               "sending state " + name);
  }
}

void CudaExecutor::send_inputs() {
  if (written_.empty()) return;
  for (const std::string& name : written_) {
    const DeviceBuffer& buffer = slots_.at(name);
    check_cuda(cudaMemcpyAsync(buffer.get(), inputs_.at(name).bytes().data(), buffer.bytes(),
                               cudaMemcpyHostToDevice, stream_.get()),
               "sending input " + name);
  }
  written_.clear();
  wait("sending inputs");  // the caller may write them again
}

void CudaExecutor::enqueue(const Step& s) const {
  const KernelCall call = placement_.call(s);
  op_def(call.op).kernel.cuda({call, context_});
}

void CudaExecutor::enqueue_program() const {
  for (const Step& s : steps_) enqueue(s);
  check_libraries();
}

void CudaExecutor::check_libraries() const {
  if (const char* failure = blas_->failure()) fail(ErrorKind::device, "cublas", "{}", failure);
  const kernels::Communicator* others = context_.communicator;
  if (const char* failure = others ? others->failure() : nullptr)
    fail(ErrorKind::device, "ranks", "{}", failure);
}

cudaError_t CudaExecutor::synchronise() const {
  if (!context_.communicator) return cudaStreamSynchronize(stream_.get());
  cudaError_t status;
  while ((status = cudaStreamQuery(stream_.get())) == cudaErrorNotReady) {
    context_.communicator->failure();  // ends what waits for a lost rank
    std::this_thread::yield();
  }
  check_libraries();
  return status;
}

void CudaExecutor::run_one_by_one() const {
  using Clock = std::chrono::steady_clock;
  const Graph& graph = program_.graph;
  for (const Step& s : steps_) {
    const Node& node = graph.nodes[std::size_t(s.node)];
    const auto start = Clock::now();
    enqueue(s);
    cudaError_t status = cudaGetLastError();
    if (status == cudaSuccess) status = synchronise();
    if (status != cudaSuccess)
      fail_at(graph.tape->at(node.instruction).where, ErrorKind::device, op_name(node.op),
              "{}: {} ({}); the GPU cannot go on in this process",
              describe_instruction(*graph.tape, node.instruction), cudaGetErrorString(status),
              cudaGetErrorName(status));
    check_libraries();
    if (trace_)
      std::fprintf(stderr, "trace %d %s %s %.1f us\n", node.instruction, op_name(node.op),
                   node.type.shape.str().c_str(),
                   std::chrono::duration<double, std::micro>(Clock::now() - start).count());
  }
}

void CudaExecutor::run() {
  send_inputs();
  if (one_by_one_ || !warm_) {
    run_one_by_one();
    warm_ = true;
  } else {
    if (!run_graph_) run_graph_.capture(stream_, [this] { enqueue_program(); });
    run_graph_.launch(stream_);
    wait(kReplay);
  }
  read_statuses();
}

void CudaExecutor::commit() {
  end_.enqueue_commit(context_);
  wait("changing the states");
}

void CudaExecutor::step() {
  if (uncollected_ == kStepsAhead)
    fail(ErrorKind::internal, "step", "{} steps wait to be collected, the ring holds no more",
         uncollected_);
  send_inputs();
  if (one_by_one_ || !stepped_) {
    run_one_by_one();
    end_.enqueue_step(context_);
    warm_ = stepped_ = true;
  } else {
    if (!step_graph_)
      step_graph_.capture(stream_, [this] {
        enqueue_program();
        end_.enqueue_step(context_);
      });
    step_graph_.launch(stream_);
  }
  ++uncollected_;
}

std::vector<std::vector<double>> CudaExecutor::collect() {
  wait(kReplay);
  read_statuses();
  return end_.read(std::exchange(uncollected_, 0));
}

void CudaExecutor::read_statuses() {
  warnings_.clear();
  for (const Step& s : steps_) {
    if (!s.status) continue;
    const Shape& shape = program_.graph.nodes[std::size_t(s.node)].type.shape;
    std::vector<kernels::MatrixStatus> status(std::size_t(matrix_count(shape)));
    check_cuda(cudaMemcpy(status.data(), s.status, status_bytes(shape), cudaMemcpyDeviceToHost),
               "reading how factorisations ended");
    read_status(program_.graph, s.node, status.data(), warnings_);
  }
}

Tensor CudaExecutor::read(int node) const {
  const ValueType& type = program_.graph.nodes[std::size_t(node)].type;
  Tensor result(type.shape, type.dtype);
  if (result.elements() > 0)
    check_cuda(cudaMemcpy(result.bytes().data(), placement_.address(node), result.bytes().size(),
                          cudaMemcpyDeviceToHost),
               "reading a value");
  return result;
}

Tensor CudaExecutor::fetch(std::size_t k) const { return read(program_.graph.fetches.at(k)); }

void CudaExecutor::read_states() {
  wait(kReplay);
  for (const StateUpdate& u : program_.graph.updates)
    store_.at(program_.graph.slot_of(u.state).name) = read(u.state);
}

std::string CudaExecutor::find_nonfinite(std::int64_t first_task) {
  for (const auto& [name, tensor] : inputs_)
    if (const auto place = place_of_nonfinite(tensor, first_task))
      return fmt::format("input {}{}", name, *place);
  send_inputs();
  for (const Step& s : steps_) {
    if (waits_for_others(program_.graph.nodes[std::size_t(s.node)])) break;
    enqueue(s);
    wait("looking for what is not finite");
    if (const auto place = place_of_nonfinite(read(s.node), first_task))
      return describe_instruction(*program_.graph.tape,
                                  program_.graph.nodes[std::size_t(s.node)].instruction) +
             *place;
  }
  return {};
}

}  // namespace metatape
