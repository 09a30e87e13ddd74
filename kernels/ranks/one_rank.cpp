#include "kernels/ranks/one_rank.h"

#include <cstdlib>
#include <cstring>

namespace metatape::kernels {
namespace {

/// memcpy must not see the null pointer of an empty array.
void copy(const void* from, void* to, std::int64_t bytes) {
  if (bytes > 0) std::memcpy(to, from, std::size_t(bytes));
}

}  // namespace

void OneRank::exchange_slices(const void* array, void* slices, std::int64_t count,
                              std::int64_t element_bytes, void*) {
  copy(array, slices, count * element_bytes);
}

void OneRank::gather_blocks(const void* block, void* blocks, std::int64_t count,
                            std::int64_t element_bytes, void*) {
  copy(block, blocks, count * element_bytes);
}

void OneRank::abort(int exit_code) { std::_Exit(exit_code); }

}  // namespace metatape::kernels
