#pragma once

// Constants of instructions that passes make; a tape gets them from the functions of ops.h.

#include "engine/tape.h"
#include "kernels/pool/pool.h"

namespace metatape {

/// Of sum_to and sum_product_to.
Attr sum_attr(const Shape& to);
/// Of reshape.
Attr reshape_attr(const Shape& to);

/// Of slice: `count` of the `extent` elements along an axis, from `start` on in steps.
Attr slice_attr(std::int64_t axis, std::int64_t extent, std::int64_t start, std::int64_t step,
                std::int64_t count);

/// Of max_pool_index, pool_gather and pool_scatter, which have the same: what is done to images of
/// this shape, and whether some element lies in two windows.
kernels::PoolGeometry pool_geometry(const Shape& images, const Attr&);
bool pool_windows_overlap(const Attr&);

}  // namespace metatape
