#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kernels/emulation/device_memory.h"
#include "kernels/emulation/error.h"
#include "kernels/emulation/nccl_world.h"
#include "kernels/emulation/ranks.h"
#include "kernels/emulation/settings.h"
#include "kernels/emulation/stream.h"

using namespace metatape::kernels::emulation;

struct ncclComm {
  std::shared_ptr<NcclWorld> world;
  int rank;
  ncclResult_t error = ncclSuccess;

  int device() const { return world->members[std::size_t(rank)].device; }
};

namespace {

using Kind = NcclCall::Kind;

std::map<std::uint64_t, std::weak_ptr<NcclWorld>>& worlds() {
  static std::map<std::uint64_t, std::weak_ptr<NcclWorld>> worlds;
  return worlds;
}

/// Communicators that were not destroyed.
std::set<ncclComm_t>& communicators() {
  static std::set<ncclComm_t> communicators;
  return communicators;
}

void require_communicator(ncclComm_t comm, const char* call, Site site) {
  if (!communicators().contains(comm)) refuse(call, site, "no communicator, or a destroyed one");
}

void require_no_capture(const char* call, Site site) {
  if (capture_forbids_host_calls()) {
    refuse(call, site, "called during a capture; NCCL allocates and synchronises there");
  }
}

/// The calls of one group, or a single one.
struct Operation {
  ncclComm_t comm = nullptr;
  std::shared_ptr<NcclWorld> world;
  cudaStream_t stream = nullptr;
  std::vector<NcclCall> calls;

  void check_buffers() const;
  void run() const;
};

struct Bytes {
  const char* begin;
  std::size_t count;
};

Bytes read_by(const NcclCall& call) {
  const bool reads = call.kind == Kind::send || call.kind == Kind::gather ||
                     (call.kind == Kind::broadcast && call.rank == call.peer);
  return {call.from, reads ? call.bytes() : 0};
}

Bytes written_by(const NcclCall& call, int size) {
  const int blocks = call.kind == Kind::send ? 0 : call.kind == Kind::gather ? size : 1;
  return {call.to, call.bytes() * std::size_t(blocks)};
}

/// What a collective call may read of what it writes.
const char* place_of_own(const NcclCall& call) {
  return call.to + (call.kind == Kind::gather ? std::size_t(call.rank) * call.bytes() : 0);
}

bool overlap(Bytes x, Bytes y) {
  return x.count > 0 && y.count > 0 && x.begin < y.begin + y.count && y.begin < x.begin + x.count;
}

void require_buffer(const NcclCall& call, Bytes bytes, const char* what) {
  if (bytes.count > 0) require_device(bytes.begin, bytes.count, call.name(), what, call.site);
}

void Operation::check_buffers() const {
  const int size = world->size();
  for (const NcclCall& call : calls) {
    const Bytes read = read_by(call), written = written_by(call, size);
    require_buffer(call, read, "what is sent");
    require_buffer(call, written, "what is received");
    if (call.is_collective() && read.begin != place_of_own(call) && overlap(read, written))
      refuse(call.name(), call.site, "what is sent overlaps what is received, but not in place");
    for (const NcclCall& other : calls)
      if (&other != &call &&
          (overlap(written, written_by(other, size)) || overlap(written, read_by(other))))
        refuse(call.name(), call.site,
               "it writes what " + other.text() + ", of the same group, reads or writes");
  }
}

/// Calls that have arrived; those that found nobody leave with the object.
class Arrivals {
 public:
  explicit Arrivals(const Operation& operation) : world_(*operation.world) {
    for (const NcclCall& call : operation.calls) arrivals_.push_back({&call});
  }
  ~Arrivals() {
    for (NcclArrival& arrival : arrivals_)
      if (!arrival.done) world_.withdraw(arrival);
  }

  void arrive() {
    for (NcclArrival& arrival : arrivals_) world_.arrive(arrival);
  }
  bool all_done() const { return std::ranges::all_of(arrivals_, &NcclArrival::done); }
  bool settled() const {
    return std::ranges::all_of(arrivals_, [&](const NcclArrival& arrival) {
      return arrival.done || world_.is_hopeless(*arrival.call);
    });
  }
  std::string missing() const {
    std::string text;
    for (const NcclArrival& arrival : arrivals_)
      if (!arrival.done) text += (text.empty() ? "" : " and ") + arrival.call->text();
    return text;
  }

 private:
  NcclWorld& world_;
  std::vector<NcclArrival> arrivals_;
};

void Operation::run() const {
  const NcclCall& first = calls.front();
  if (world->members[std::size_t(first.rank)].gone) return;
  require_communicator(comm, first.name(), first.site);  // a graph may outlive it, and the buffers
  check_buffers();
  Arrivals arrivals(*this);
  arrivals.arrive();
  wait_until([&] { return arrivals.settled(); }, arrivals.missing());
  if (!arrivals.all_done()) comm->error = ncclRemoteError;
}

void launch(Operation operation) {
  operation.check_buffers();
  cudaStreamCaptureStatus capture;
  cudaStreamIsCapturing(operation.stream, &capture);
  for (NcclCall& call : operation.calls) call.captured = capture == cudaStreamCaptureStatusActive;
  const cudaStream_t stream = operation.stream;
  enqueue(stream, [operation = std::move(operation)] { operation.run(); });
}

struct Group {
  int depth = 0;
  Operation operation;
};
thread_local Group group;

[[noreturn]] void refuse_call(const NcclCall& call, const std::string& found) {
  group = {};  // a test goes on
  refuse(call.name(), call.site, found);
}

ncclResult_t add(NcclCall call, ncclComm_t comm, cudaStream_t stream) {
  if (!communicators().contains(comm)) refuse_call(call, "no communicator, or a destroyed one");
  const int size = comm->world->size();
  if (call.peer < 0 || call.peer >= size)
    refuse_call(call, "rank " + std::to_string(call.peer) + " of a communicator of " +
                          std::to_string(size) + " ranks");
  const int device = stream ? stream->device : current_device();
  if (device != comm->device())
    refuse_call(call, "a stream of device " + std::to_string(device) +
                          " for a communicator of device " + std::to_string(comm->device()));
  call.rank = comm->rank;
  Operation& operation = group.operation;
  if (operation.calls.empty()) {
    operation.comm = comm;
    operation.world = comm->world;
    operation.stream = stream;
  } else if (operation.comm != comm || operation.stream != stream) {
    refuse_call(call, "several communicators or streams in one group, which is not emulated");
  }
  operation.calls.push_back(call);
  if (group.depth == 0) launch(std::exchange(group.operation, {}));
  return ncclSuccess;
}

std::size_t bytes_of(ncclDataType_t type) { return type == ncclUint64 ? 8 : 4; }

}  // namespace

const char* ncclGetErrorString(ncclResult_t status) {
  switch (status) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "unhandled cuda error";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
  }
  return "unknown result code";
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static std::uint64_t count = 0;
  ++count;
  *id = {};
  std::memcpy(id->internal, &count, sizeof count);
  worlds()[count] = {};
  return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t* comm, int size, ncclUniqueId id, int rank, Site site) {
  constexpr const char* kCall = "ncclCommInitRank";
  require_no_capture(kCall, site);
  *comm = nullptr;
  if (rank < 0 || rank >= size)
    refuse(kCall, site, "rank " + std::to_string(rank) + " of " + std::to_string(size) + " ranks");
  if (size > 1 && !is_rank())
    refuse(kCall, site,
           std::to_string(size) +
               " ranks, but emulated GPUs meet within one process only (run_ranks); let ranks of "
               "several processes use the CPU");
  if (device_bytes_in_use() >= settings().device_bytes) return ncclUnhandledCudaError;
  std::uint64_t number;
  std::memcpy(&number, id.internal, sizeof number);
  const auto found = worlds().find(number);
  if (found == worlds().end())
    refuse(kCall, site, "an identifier that ncclGetUniqueId of this process did not give");
  std::shared_ptr<NcclWorld> world = found->second.lock();
  if (!world) found->second = world = std::make_shared<NcclWorld>(size);
  if (world->size() != size)
    refuse(kCall, site,
           std::to_string(size) + " ranks here, " + std::to_string(world->size()) +
               " on the rank that came first");
  for (int other = 0; other < size; ++other) {
    const NcclWorld::Member& member = world->members[std::size_t(other)];
    if (!member.joined) continue;
    if (other == rank) refuse(kCall, site, "rank " + std::to_string(rank) + " is there already");
    if (member.device == current_device())
      refuse(kCall, site,
             "ranks " + std::to_string(other) + " and " + std::to_string(rank) +
                 " both use device " + std::to_string(current_device()) +
                 "; NCCL needs a GPU for each rank");
  }
  world->members[std::size_t(rank)] = {.joined = true, .device = current_device()};
  wait_until([&] { return std::ranges::all_of(world->members, &NcclWorld::Member::joined); },
             std::string(kCall) + " at " + text_of(site));
  *comm = *communicators().insert(new ncclComm{world, rank}).first;
  return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm, Site site) {
  require_no_capture("ncclCommDestroy", site);
  require_communicator(comm, "ncclCommDestroy", site);
  communicators().erase(comm);
  delete comm;
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm, Site site) {
  require_communicator(comm, "ncclCommAbort", site);
  comm->world->members[std::size_t(comm->rank)].gone = true;
  communicators().erase(comm);
  delete comm;
  return ncclSuccess;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error, Site site) {
  require_communicator(comm, "ncclCommGetAsyncError", site);
  *error = comm->error;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  ++group.depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd(Site site) {
  if (group.depth == 0) refuse("ncclGroupEnd", site, "no ncclGroupStart came before");
  if (--group.depth == 0 && !group.operation.calls.empty())
    launch(std::exchange(group.operation, {}));
  return ncclSuccess;
}

ncclResult_t ncclSend(const void* buffer, std::size_t count, ncclDataType_t type, int peer,
                      ncclComm_t comm, cudaStream_t stream, Site site) {
  return add({.kind = Kind::send,
              .peer = peer,
              .from = static_cast<const char*>(buffer),
              .count = count,
              .element_bytes = bytes_of(type),
              .site = site},
             comm, stream);
}

ncclResult_t ncclRecv(void* buffer, std::size_t count, ncclDataType_t type, int peer,
                      ncclComm_t comm, cudaStream_t stream, Site site) {
  return add({.kind = Kind::receive,
              .peer = peer,
              .to = static_cast<char*>(buffer),
              .count = count,
              .element_bytes = bytes_of(type),
              .site = site},
             comm, stream);
}

ncclResult_t ncclAllGather(const void* from, void* to, std::size_t count, ncclDataType_t type,
                           ncclComm_t comm, cudaStream_t stream, Site site) {
  return add({.kind = Kind::gather,
              .from = static_cast<const char*>(from),
              .to = static_cast<char*>(to),
              .count = count,
              .element_bytes = bytes_of(type),
              .site = site},
             comm, stream);
}

ncclResult_t ncclBroadcast(const void* from, void* to, std::size_t count, ncclDataType_t type,
                           int root, ncclComm_t comm, cudaStream_t stream, Site site) {
  return add({.kind = Kind::broadcast,
              .peer = root,
              .from = static_cast<const char*>(from),
              .to = static_cast<char*>(to),
              .count = count,
              .element_bytes = bytes_of(type),
              .site = site},
             comm, stream);
}
