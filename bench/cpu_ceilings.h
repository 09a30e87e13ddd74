#pragma once

#include <cstdint>
#include <vector>

namespace metatape::bench {

/// Multiply-adds in registers, with the widest vectors of this processor: nothing does more
/// arithmetic. `rounds` of flops_per_round() on each of `threads` threads.
void multiply_add(std::int64_t rounds, int threads);
/// Flops of a round on this processor.
std::int64_t flops_per_round();

/// to[i] = from[i], each thread a part of it: the bandwidth of memory, where they fit no cache.
void copy_in_parts(const std::vector<float>& from, std::vector<float>& to, int threads);

}  // namespace metatape::bench
