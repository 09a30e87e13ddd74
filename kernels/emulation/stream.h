#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "kernels/emulation/runtime_api.h"

/// Work of a stream up to and including the operation with this number.
struct StreamPosition {
  CUstream_st* stream = nullptr;
  std::uint64_t number = 0;
};

struct StreamOperation {
  std::function<void()> run;
  std::vector<StreamPosition> after;  ///< has to be done before
};

struct CUstream_st {
  int device = 0;
  bool blocking = true;  ///< ordered with the default stream
  std::deque<StreamOperation> queue;
  std::uint64_t enqueued = 0;
  std::uint64_t done = 0;
  bool asked = false;  ///< whether it is ready: asked again, it does something for it
  CUgraph_st* capture = nullptr;
  /// Operations of this stream in the capture, and those of them that the origin waits for.
  std::uint64_t captured = 0, joined = 0;
};

struct CUevent_st {
  StreamPosition position;
  CUgraph_st* capture = nullptr;  ///< recorded in this capture
  std::uint64_t captured = 0;
  std::chrono::steady_clock::time_point time;  ///< when the work before it was done
};

struct CUgraph_st {
  CUstream_st* origin = nullptr;
  std::vector<std::function<void()>> operations;
};

struct CUgraphExec_st {
  std::vector<std::function<void()>> operations;
};

namespace metatape::kernels::emulation {

/// Adds work to a stream, or to the graph that captures the stream; runs it at once unless in late
/// mode.
void enqueue(cudaStream_t, std::function<void()> operation);

/// Runs what has to be done for the position to be reached, and nothing else.
void run_through(StreamPosition);

/// Runs what is ordered before a synchronous call: the default stream and all blocking ones of the
/// calling thread's device.
void run_blocking_streams();

/// In all streams of the calling thread's device; more than 0 only in late mode.
std::size_t queued_operations();

/// Whether a capture is open in which calls that do not enter the graph are wrong.
bool capture_forbids_host_calls();

/// Of the calling thread.
int current_device();

/// Notes a status for cudaGetLastError, and returns it.
cudaError_t remember(cudaError_t);

/// Dynamic shared memory that a launch of this kernel may ask for.
std::size_t dynamic_shared_limit(const void* kernel);

}  // namespace metatape::kernels::emulation
