#pragma once

#include <cstdint>

#include "kernels/common/context.h"
#include "kernels/common/philox.h"

namespace metatape::kernels {

/// What is done with the multiples of 90 degrees.
enum class Turns : std::int32_t {
  none,       ///< no turn
  per_group,  ///< one random turn for each drawn group
  as_groups,  ///< the four turns of a group are four groups
};

/// Draws items of groups. Task t uses the stream (seed, purpose, *iteration, *first_task + t):
/// first `groups` distinct groups in random order, then for each of them its turn (per_group) and
/// `members` distinct members.
///   y[t,g,m] = (first[group] + member, quarter turns)
/// The caller vouches for groups <= rows (4 rows with as_groups) and members <= count[group].
struct DrawMembersArgs {
  std::int64_t tasks, groups, members, rows;
  std::uint64_t seed;
  RandomPurpose purpose;
  Turns turns;
  const std::int32_t *iteration, *first_task;  ///< one number each, read as unsigned
  const std::int32_t* table;                   ///< [rows, 2]: first item and count of each group
  std::int32_t* y;                             ///< [tasks, groups, members, 2]
};
void draw_members(const DrawMembersArgs&, const CpuContext&);
void draw_members(const DrawMembersArgs&, const CudaContext&);

/// y[i] = image choice[i,0], turned counter-clockwise by choice[i,1] (modulo 4) times 90 degrees,
/// each byte b as float(b) / 255, rounded once to float whatever T is. A choice outside of
/// [0, images) gives zeros; images that are not square are not turned. An image has fewer than 2^31
/// bytes.
template <class T>
struct GatherImagesArgs {
  std::int64_t images, height, width, channels;
  std::int64_t count;          ///< of chosen images
  const std::uint8_t* x;       ///< [images, height, width, channels]
  const std::int32_t* choice;  ///< [count, 2]
  T* y;                        ///< [count, height, width, channels]
};
template <class T>
void gather_images(const GatherImagesArgs<T>&, const CpuContext&);
template <class T>
void gather_images(const GatherImagesArgs<T>&, const CudaContext&);

/// y[i] = x[i] + 1 modulo 2^32. y may be x.
void increment(std::int64_t count, const std::int32_t* x, std::int32_t* y, const CpuContext&);
void increment(std::int64_t count, const std::int32_t* x, std::int32_t* y, const CudaContext&);

}  // namespace metatape::kernels
