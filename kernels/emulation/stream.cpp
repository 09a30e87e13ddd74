#include "kernels/emulation/stream.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "kernels/emulation/device_memory.h"
#include "kernels/emulation/error.h"
#include "kernels/emulation/settings.h"

using namespace metatape::kernels::emulation;

namespace metatape::kernels::emulation {
namespace {

struct Streams {
  std::map<int, CUstream_st> default_of;  // device
  std::vector<CUstream_st*> created;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  CUgraph_st* capture = nullptr;
};

Streams& streams() {
  static Streams streams;
  return streams;
}

CUstream_st& default_of(int device) {
  CUstream_st& stream = streams().default_of[device];
  stream.device = device;
  return stream;
}

CUstream_st& of(cudaStream_t stream) { return stream ? *stream : default_of(current_device()); }

std::vector<CUstream_st*> created_on(int device) {
  std::vector<CUstream_st*> found;
  std::ranges::copy_if(streams().created, std::back_inserter(found),
                       [&](const CUstream_st* stream) { return stream->device == device; });
  return found;
}

StreamPosition end_of(CUstream_st& stream) { return {&stream, stream.enqueued}; }

/// What CUDA orders before new work of this stream: the default stream and the blocking ones wait
/// for each other.
std::vector<StreamPosition> ordered_before(const CUstream_st& stream) {
  std::vector<StreamPosition> before;
  CUstream_st& default_stream = default_of(stream.device);
  if (&stream == &default_stream) {
    for (CUstream_st* other : created_on(stream.device)) {
      if (other->blocking) before.push_back(end_of(*other));
    }
  } else if (stream.blocking) {
    before.push_back(end_of(default_stream));
  }
  return before;
}

void drop_all_work(int device) {
  const auto drop = [](CUstream_st& stream) {
    stream.queue.clear();
    stream.done = stream.enqueued;
  };
  drop(default_of(device));
  for (CUstream_st* stream : created_on(device)) drop(*stream);
}

void require_no_capture(const char* call, Site site) {
  if (capture_forbids_host_calls()) {
    refuse(call, site, "called during a capture; nothing that it waits for has run");
  }
}

void add(CUstream_st& stream, StreamOperation operation) {
  const auto before = ordered_before(stream);
  operation.after.insert(operation.after.end(), before.begin(), before.end());
  stream.queue.push_back(std::move(operation));
  ++stream.enqueued;
  if (!settings().late) run_through(end_of(stream));
}

}  // namespace

void run_through(StreamPosition position) {
  CUstream_st& stream = *position.stream;
  while (stream.done < position.number) {
    const StreamOperation operation = std::move(stream.queue.front());
    stream.queue.pop_front();
    for (const StreamPosition& other : operation.after) run_through(other);
    try {
      operation.run();
    } catch (...) {
      drop_all_work(stream.device);  // as on a device, where nothing works after a fault
      throw;
    }
    ++stream.done;
  }
}

void run_blocking_streams() {
  CUstream_st& default_stream = of(nullptr);
  for (const StreamPosition& p : ordered_before(default_stream)) run_through(p);
  run_through(end_of(default_stream));
}

void enqueue(cudaStream_t stream, std::function<void()> operation) {
  CUstream_st& s = of(stream);
  if (s.capture) {
    s.capture->operations.push_back(std::move(operation));
    ++s.captured;
  } else {
    add(s, {std::move(operation), {}});
  }
}

std::size_t queued_operations() {
  std::size_t count = of(nullptr).queue.size();
  for (const CUstream_st* stream : created_on(current_device())) count += stream->queue.size();
  return count;
}

bool capture_forbids_host_calls() {
  return streams().capture && streams().mode != cudaStreamCaptureModeRelaxed;
}

}  // namespace metatape::kernels::emulation

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  *stream = new CUstream_st;
  (*stream)->device = current_device();
  (*stream)->blocking = !(flags & cudaStreamNonBlocking);
  streams().created.push_back(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream, Site site) {
  auto& created = streams().created;
  const auto found = std::find(created.begin(), created.end(), stream);
  if (found == created.end()) {
    refuse("cudaStreamDestroy", site, "not a stream, or one that was destroyed before");
  }
  if (stream->capture) refuse("cudaStreamDestroy", site, "the stream is being captured");
  cudaDeviceSynchronize(site);
  created.erase(found);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream, Site site) {
  require_no_capture("cudaStreamSynchronize", site);
  run_through(end_of(of(stream)));
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(Site site) {
  require_no_capture("cudaDeviceSynchronize", site);
  // The last stream first: a program must not count on the order in which it filled them.
  const auto created = created_on(current_device());
  for (auto s = created.rbegin(); s != created.rend(); ++s) run_through(end_of(**s));
  run_through(end_of(of(nullptr)));
  return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream, Site site) {
  require_no_capture("cudaStreamQuery", site);
  CUstream_st& s = of(stream);
  if (s.queue.empty()) return cudaSuccess;
  if (s.asked) run_through({&s, s.done + 1});
  s.asked = !s.asked;
  return cudaErrorNotReady;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  *event = new CUevent_st;
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  return cudaEventCreate(event);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (event->position.stream) run_through(event->position);  // which still has to note the time
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream, Site) {
  CUstream_st& s = of(stream);
  event->capture = s.capture;
  event->captured = s.captured;
  event->position = {};
  if (s.capture) {
    event->position.stream = &s;
    return cudaSuccess;
  }
  event->position = {&s, s.enqueued + 1};
  add(s, {[event] { event->time = std::chrono::steady_clock::now(); }, {}});
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned, Site site) {
  CUstream_st& s = of(stream);
  if (!event->position.stream) return cudaSuccess;  // never recorded: nothing to wait for
  if (event->capture) {
    if (event->capture != streams().capture) {
      refuse("cudaStreamWaitEvent", site, "the event was recorded in a capture that has ended");
    }
    if (!s.capture) s.captured = s.joined = 0;
    s.capture = event->capture;
    CUstream_st& other = *event->position.stream;
    other.joined = std::max(other.joined, event->captured);
  } else if (s.capture) {
    refuse("cudaStreamWaitEvent", site,
           "a stream being captured cannot wait for an event recorded outside of the capture");
  } else {
    add(s, {[] {}, {event->position}});
  }
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event, Site site) {
  require_no_capture("cudaEventSynchronize", site);
  if (event->capture) refuse("cudaEventSynchronize", site, "the event belongs to a capture");
  if (event->position.stream) run_through(event->position);
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event, Site) {
  const StreamPosition& p = event->position;
  return !p.stream || p.stream->done >= p.number ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to, Site site) {
  for (cudaEvent_t event : {from, to}) {
    if (!event->position.stream || event->capture) {
      refuse("cudaEventElapsedTime", site, "an event that was not recorded in a stream");
    }
    if (cudaEventQuery(event, site) != cudaSuccess) return cudaErrorNotReady;
  }
  *milliseconds = std::chrono::duration<float, std::milli>(to->time - from->time).count();
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode, Site site) {
  if (!stream) refuse("cudaStreamBeginCapture", site, "the default stream cannot be captured");
  if (streams().capture) refuse("cudaStreamBeginCapture", site, "a capture is open already");
  streams().capture = stream->capture = new CUgraph_st{stream, {}};
  streams().mode = mode;
  stream->captured = stream->joined = 0;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph, Site site) {
  if (!stream || !stream->capture || stream->capture->origin != stream) {
    refuse("cudaStreamEndCapture", site, "no capture began in this stream");
  }
  *graph = std::exchange(streams().capture, nullptr);
  bool joined = true;
  for (CUstream_st* other : streams().created) {
    if (other->capture != *graph) continue;
    joined &= other == stream || other->joined == other->captured;
    other->capture = nullptr;
  }
  if (!joined) {
    delete std::exchange(*graph, nullptr);
    refuse("cudaStreamEndCapture", site,
           "a stream that entered the capture has work for which the captured stream does not "
           "wait; record an event there and wait for it");
  }
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = of(stream).capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, std::size_t* count) {
  *count = graph->operations.size();
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  *executable = new CUgraphExec_st{graph->operations};
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream, Site site) {
  if (of(stream).capture) refuse("cudaGraphLaunch", site, "called in a stream being captured");
  enqueue(stream, [operations = executable->operations] {
    const DeviceAccess access;
    for (const auto& operation : operations) operation();
  });
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
