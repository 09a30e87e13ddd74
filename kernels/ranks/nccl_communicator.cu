#include "kernels/ranks/nccl_communicator.h"

#if MT_HAVE_NCCL || defined(MT_EMULATION)
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "kernels/common/cuda_api.h"
#if defined(MT_EMULATION)
#include "kernels/emulation/nccl_api.h"
#else
#include <nccl.h>
#endif
#endif

namespace metatape::kernels {

#if MT_HAVE_NCCL || defined(MT_EMULATION)
namespace {

class NcclCommunicator final : public Communicator {
 public:
  explicit NcclCommunicator(Communicator& host);
  ~NcclCommunicator() override;

  int rank() const override { return host_.rank(); }
  int size() const override { return host_.size(); }
  void exchange_slices(const void* array, void* slices, std::int64_t count,
                       std::int64_t element_bytes, void* stream) override;
  void gather_slices(void* array, std::int64_t count, std::int64_t element_bytes,
                     void* stream) override;
  void gather_blocks(const void* block, void* blocks, std::int64_t count,
                     std::int64_t element_bytes, void* stream) override;
  const char* failure() const override;
  [[noreturn]] void abort(int exit_code) override {
    host_.abort(exit_code);
    std::_Exit(exit_code);  // not reached; g++ does not know it of a virtual function
  }

 private:
  /// Whether nothing has failed yet; the first failure is kept.
  bool succeeds(ncclResult_t, const char* call) const;
  bool succeeds(cudaError_t, const char* call) const;
  RankSlice slice(std::int64_t count, int rank) const { return slice_of(count, rank, size()); }

  Communicator& host_;
  // A rank may be lost at any time: asking for failures notes it.
  mutable ncclComm_t comm_ = nullptr;  ///< null after a failure
  mutable char failure_[160] = {};
};

/// Only data moves: the bits of any type of that size.
ncclDataType_t type_of(std::int64_t element_bytes) {
  return element_bytes == 8 ? ncclUint64 : ncclUint32;
}

NcclCommunicator::NcclCommunicator(Communicator& host) : host_(host) {
  // Each rank takes part in the exchange, whatever failed before, so that none waits for ever.
  ncclUniqueId id{};
  const ncclResult_t made = host.rank() == 0 ? ncclGetUniqueId(&id) : ncclSuccess;
  std::vector<char> ids(sizeof id * std::size_t(host.size()));
  host.gather_blocks(&id, ids.data(), sizeof id / 4, 4, nullptr);
  std::memcpy(&id, ids.data(), sizeof id);
  if (!succeeds(made, "ncclGetUniqueId")) return;
  if (host.failure()) {
    std::snprintf(failure_, sizeof failure_, "%s", host.failure());
    return;
  }
  succeeds(ncclCommInitRank(&comm_, host.size(), id, host.rank()), "ncclCommInitRank");
}

// Destroying waits for what was enqueued.
NcclCommunicator::~NcclCommunicator() {
  if (comm_ && !failure()) ncclCommDestroy(comm_);
}

bool NcclCommunicator::succeeds(ncclResult_t status, const char* call) const {
  if (status != ncclSuccess && !failure_[0])
    std::snprintf(failure_, sizeof failure_, "%s on rank %d: %s", call, rank(),
                  ncclGetErrorString(status));
  return !failure_[0];
}

bool NcclCommunicator::succeeds(cudaError_t status, const char* call) const {
  if (status != cudaSuccess && !failure_[0])
    std::snprintf(failure_, sizeof failure_, "%s on rank %d: %s", call, rank(),
                  cudaGetErrorString(status));
  return !failure_[0];
}

// All parts of the exchange are one kernel. A rank does not send to itself: that is a copy.
void NcclCommunicator::exchange_slices(const void* array, void* slices, std::int64_t count,
                                       std::int64_t element_bytes, void* stream) {
  if (failure_[0]) return;
  const auto on = static_cast<cudaStream_t>(stream);
  const auto* from = static_cast<const char*>(array);
  auto* to = static_cast<char*>(slices);
  const ncclDataType_t type = type_of(element_bytes);
  const RankSlice own = slice(count, rank());
  const std::int64_t own_bytes = own.count() * element_bytes;
  if (own_bytes > 0)
    succeeds(cudaMemcpyAsync(to + rank() * own_bytes, from + own.begin * element_bytes,
                             std::size_t(own_bytes), cudaMemcpyDeviceToDevice, on),
             "copying the own slice");
  if (!succeeds(ncclGroupStart(), "ncclGroupStart")) return;
  for (int r = 0; r < size(); ++r) {
    if (r == rank()) continue;
    const RankSlice theirs = slice(count, r);
    if (theirs.count() > 0)
      succeeds(ncclSend(from + theirs.begin * element_bytes, std::size_t(theirs.count()), type, r,
                        comm_, on),
               "ncclSend");
    if (own_bytes > 0)
      succeeds(ncclRecv(to + r * own_bytes, std::size_t(own.count()), type, r, comm_, on),
               "ncclRecv");
  }
  succeeds(ncclGroupEnd(), "ncclGroupEnd of an exchange of slices");
}

// ncclAllGather takes equal slices only.
void NcclCommunicator::gather_slices(void* array, std::int64_t count, std::int64_t element_bytes,
                                     void* stream) {
  if (failure_[0] || count == 0) return;
  const auto on = static_cast<cudaStream_t>(stream);
  const ncclDataType_t type = type_of(element_bytes);
  const auto place = [&](int r) {
    return static_cast<char*>(array) + slice(count, r).begin * element_bytes;
  };
  if (count % size() == 0) {
    succeeds(ncclAllGather(place(rank()), array, std::size_t(count / size()), type, comm_, on),
             "ncclAllGather");
    return;
  }
  if (!succeeds(ncclGroupStart(), "ncclGroupStart")) return;
  for (int r = 0; r < size(); ++r)
    if (const std::int64_t part = slice(count, r).count(); part > 0)
      succeeds(ncclBroadcast(place(r), place(r), std::size_t(part), type, r, comm_, on),
               "ncclBroadcast");
  succeeds(ncclGroupEnd(), "ncclGroupEnd of a gathering of slices");
}

void NcclCommunicator::gather_blocks(const void* block, void* blocks, std::int64_t count,
                                     std::int64_t element_bytes, void* stream) {
  if (failure_[0] || count == 0) return;
  succeeds(ncclAllGather(block, blocks, std::size_t(count), type_of(element_bytes), comm_,
                         static_cast<cudaStream_t>(stream)),
           "ncclAllGather");
}

const char* NcclCommunicator::failure() const {
  ncclResult_t status = ncclSuccess;
  if (comm_ && succeeds(ncclCommGetAsyncError(comm_, &status), "ncclCommGetAsyncError"))
    succeeds(status, "an exchange between GPUs");
  if (!failure_[0]) return nullptr;
  // What waits for a lost rank ends only so; until then not even memory can be freed.
  if (comm_) ncclCommAbort(std::exchange(comm_, nullptr));
  return failure_;
}

}  // namespace

bool built_with_nccl() { return true; }

std::unique_ptr<Communicator> make_nccl_communicator(Communicator& host) {
  return std::make_unique<NcclCommunicator>(host);
}
#else
bool built_with_nccl() { return false; }
std::unique_ptr<Communicator> make_nccl_communicator(Communicator&) { return nullptr; }
#endif

}  // namespace metatape::kernels
