#pragma once

// Marks a function for the CPU and, under nvcc, for the GPU.
#if defined(__CUDACC__)
#define MT_HOST_DEVICE __host__ __device__
#else
#define MT_HOST_DEVICE
#endif
