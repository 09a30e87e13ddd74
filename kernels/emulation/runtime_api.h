#pragma once

// The part of CUDA's runtime API that metatape uses, on the CPU, under CUDA's names.
//
// Wrong use throws EmulationError, with the line of the call, where CUDA would return an error, or
// would go on and be wrong. What a correct program has to expect comes back as a status: memory
// that does not suffice, an event that is not ready. One host thread at a time (ranks.h sees to
// it).

#include <cstddef>

#include "kernels/emulation/site.h"
#include "kernels/emulation/vector_types.h"

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidDevice = 101,
  cudaErrorNotReady = 600,
};
const char* cudaGetErrorName(cudaError_t);
const char* cudaGetErrorString(cudaError_t);
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();

#define MT_SITE \
  ::metatape::kernels::emulation::Site site = ::metatape::kernels::emulation::Site::current()

// Device

struct cudaDeviceProp {
  char name[256];
  int major, minor;
  int warpSize;
  int multiProcessorCount;
  int maxThreadsPerBlock;
  int maxGridSize[3];
  std::size_t sharedMemPerBlock;
  std::size_t sharedMemPerBlockOptin;
  std::size_t totalGlobalMem;
};
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp*, int device);
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total);
cudaError_t cudaDeviceSynchronize(MT_SITE);

enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int value, MT_SITE);
template <class... P>
cudaError_t cudaFuncSetAttribute(void (*kernel)(P...), cudaFuncAttribute attribute, int value,
                                 MT_SITE) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), attribute, value, site);
}

// Streams and events

using cudaStream_t = struct CUstream_st*;
using cudaEvent_t = struct CUevent_st*;
inline constexpr unsigned cudaStreamDefault = 0, cudaStreamNonBlocking = 1;
inline constexpr unsigned cudaEventDefault = 0, cudaEventDisableTiming = 2;

cudaError_t cudaStreamCreate(cudaStream_t*);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t*, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t, MT_SITE);
cudaError_t cudaStreamSynchronize(cudaStream_t, MT_SITE);
cudaError_t cudaStreamQuery(cudaStream_t, MT_SITE);
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned flags = 0, MT_SITE);
cudaError_t cudaEventCreate(cudaEvent_t*);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t*, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t);
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t = nullptr, MT_SITE);
cudaError_t cudaEventSynchronize(cudaEvent_t, MT_SITE);
cudaError_t cudaEventQuery(cudaEvent_t, MT_SITE);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to, MT_SITE);

// Memory

enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault,
};
cudaError_t cudaMalloc(void** pointer, std::size_t size, MT_SITE);
template <class T>
cudaError_t cudaMalloc(T** pointer, std::size_t size, MT_SITE) {
  return cudaMalloc(reinterpret_cast<void**>(pointer), size, site);
}
cudaError_t cudaFree(void* pointer, MT_SITE);
cudaError_t cudaMallocHost(void** pointer, std::size_t size, MT_SITE);
template <class T>
cudaError_t cudaMallocHost(T** pointer, std::size_t size, MT_SITE) {
  return cudaMallocHost(reinterpret_cast<void**>(pointer), size, site);
}
cudaError_t cudaFreeHost(void* pointer, MT_SITE);
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t size, cudaMemcpyKind, MT_SITE);
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t size, cudaMemcpyKind,
                            cudaStream_t = nullptr, MT_SITE);
cudaError_t cudaMemset(void* to, int byte, std::size_t size, MT_SITE);
cudaError_t cudaMemsetAsync(void* to, int byte, std::size_t size, cudaStream_t = nullptr, MT_SITE);

// Graphs: a capture records what is enqueued and runs nothing; a launch runs it all.

using cudaGraph_t = struct CUgraph_st*;
using cudaGraphExec_t = struct CUgraphExec_st*;
using cudaGraphNode_t = struct CUgraphNode_st*;
enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal,
  cudaStreamCaptureModeThreadLocal,
  cudaStreamCaptureModeRelaxed,
};
enum cudaStreamCaptureStatus { cudaStreamCaptureStatusNone, cudaStreamCaptureStatusActive };
cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode, MT_SITE);
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t*, MT_SITE);
cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus*);
cudaError_t cudaGraphGetNodes(cudaGraph_t, cudaGraphNode_t* nodes, std::size_t* count);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t*, cudaGraph_t, unsigned long long flags = 0);
cudaError_t cudaGraphLaunch(cudaGraphExec_t, cudaStream_t, MT_SITE);
cudaError_t cudaGraphDestroy(cudaGraph_t);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t);

#undef MT_SITE
