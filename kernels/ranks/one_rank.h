#pragma once

#include "kernels/ranks/communicator.h"

namespace metatape::kernels {

/// A run of one process: its own data comes back. For host memory.
class OneRank : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void exchange_slices(const void* array, void* slices, std::int64_t count,
                       std::int64_t element_bytes, void* stream) override;
  void gather_slices(void*, std::int64_t, std::int64_t, void*) override {}
  void gather_blocks(const void* block, void* blocks, std::int64_t count,
                     std::int64_t element_bytes, void* stream) override;
  [[noreturn]] void abort(int exit_code) override;
};

}  // namespace metatape::kernels
