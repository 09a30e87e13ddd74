#pragma once

#include "kernels/matmul/matmul.h"

namespace metatape::kernels {

/// A dense batch of a against one shared b is one tall matrix.
template <class T>
MatmulArgs<T> join_batch(MatmulArgs<T> args) {
  const bool a_is_dense = !args.transpose_a && args.a_stride == args.m * args.k;
  if (args.batch > 1 && a_is_dense && args.b_stride == 0) {
    args.m *= args.batch;
    args.batch = 1;
  }
  return args;
}

}  // namespace metatape::kernels
