// planted_faults FAULT: runs one kernel with that fault, or without any ("none"). Each tool of
// compute-sanitizer has to find its fault here, and nothing in "none", before its silence about our
// kernels is worth anything.

#include <cstdio>
#include <cstring>
#include <iterator>

#include "kernels/common/launch.cuh"

namespace {

enum class Fault { none, out_of_bounds, race, uninitialised, barrier };

constexpr const char* kNames[] = {"none", "out_of_bounds", "race", "uninitialised", "barrier"};
constexpr int kThreads = 128;

/// out[i] = in[kThreads - 1 - i], through shared memory; in and out [kThreads].
template <Fault kFault>
__global__ void reverse_kernel(const float* in, float* out) {
  MT_SHARED(float, row, [kThreads]);
  const int i = threadIdx.x;
  row[i] = in[i];
  if (kFault == Fault::barrier) {
    if (i < kThreads / 2) __syncthreads();  // half of the threads wait for the others
  }
  if (kFault != Fault::race) __syncthreads();  // without it, row may not be there yet
  const int past = kFault == Fault::out_of_bounds && i == kThreads - 1 ? 1 : 0;
  out[i + past] = row[kThreads - 1 - i];
}

template <Fault kFault>
void launch(const float* in, float* out) {
  MT_LAUNCH((reverse_kernel<kFault>), 1, kThreads, 0, nullptr)(in, out);
}

cudaError_t run(Fault fault) {
  float *in = nullptr, *out = nullptr;
  constexpr std::size_t kBytes = kThreads * sizeof(float);
  if (const cudaError_t status = cudaMalloc(&in, kBytes)) return status;
  if (const cudaError_t status = cudaMalloc(&out, kBytes)) return status;
  if (fault != Fault::uninitialised) cudaMemset(in, 0, kBytes);
  switch (fault) {
    case Fault::none:
    case Fault::uninitialised:
      launch<Fault::none>(in, out);
      break;
    case Fault::out_of_bounds:
      launch<Fault::out_of_bounds>(in, out);
      break;
    case Fault::race:
      launch<Fault::race>(in, out);
      break;
    case Fault::barrier:
      launch<Fault::barrier>(in, out);
      break;
  }
  if (const cudaError_t status = cudaGetLastError()) return status;
  const cudaError_t status = cudaDeviceSynchronize();
  cudaFree(in);
  cudaFree(out);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  for (int f = 0; argc == 2 && f < int(std::size(kNames)); ++f) {
    if (std::strcmp(argv[1], kNames[f]) != 0) continue;
    const cudaError_t status = run(Fault(f));
    std::printf("%s: %s\n", kNames[f], cudaGetErrorString(status));
    return status == cudaSuccess ? 0 : 1;
  }
  std::fprintf(stderr, "usage: planted_faults FAULT; one of:");
  for (const char* name : kNames) std::fprintf(stderr, " %s", name);
  std::fprintf(stderr, "\n");
  return 2;
}
