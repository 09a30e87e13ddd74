#pragma once

// What a meta-step on several ranks sends, and how far that scales.

#include <vector>

#include "meta/programs/programs.h"

namespace metatape {

/// What the ranks of a meta-step exchange in one run of its program, whatever their number.
struct Exchanged {
  double added_bytes = 0;     ///< of the arrays that are added up
  double gathered_bytes = 0;  ///< of what all ranks together give to all
};
/// Of a program recorded for target.ranks > 1.
Exchanged exchanged(const Program&);

/// The way between two ranks. Infinite bandwidth: 0 seconds a byte.
struct Link {
  double seconds_per_message = 0, seconds_per_byte = 0;
};

/// A meta-step on some number of ranks.
struct RanksCost {
  int ranks = 1;
  std::int64_t tasks = 0;      ///< in one run on each rank
  std::int64_t runs = 1;       ///< on each rank
  double bytes = 0;            ///< that each rank sends, and receives
  double messages = 0;         ///< that it sends, one after the other
  double communication_s = 0;  ///< messages and bytes at the price of the link
  double compute_s = 0;        ///< the step of one rank, divided
};

/// For each number of ranks to which the tasks can be dealt evenly, from 1: adding arrays of n
/// bytes on R ranks sends 2 n (R - 1) / R bytes in 2 (R - 1) messages (kernels/ranks/ranks.h), and
/// telling whether to go on log2 R messages. `step_s`: of one rank that does all tasks; 0: unknown.
std::vector<RanksCost> ranks_costs(const Config&, const Exchanged&, const Link&, double step_s);

/// The largest number of ranks whose communication takes no longer than their computing.
int scaling_limit(const std::vector<RanksCost>&);

}  // namespace metatape
