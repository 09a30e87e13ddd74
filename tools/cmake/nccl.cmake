# NCCL, which has no package file, as the target NCCL::nccl, beside the CUDA toolkit or elsewhere.
include(${CMAKE_CURRENT_LIST_DIR}/mt_find_library.cmake)
mt_find_library(NCCL::nccl nccl.h nccl ${CUDAToolkit_INCLUDE_DIRS} ${CUDAToolkit_LIBRARY_DIR})
