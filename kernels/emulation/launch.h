#pragma once

// Every kernel is compiled with this: no <string> and no <memory>, which would double that time.

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

#include "kernels/emulation/site.h"
#include "kernels/emulation/vector_types.h"

struct CUstream_st;

namespace metatape::kernels::emulation {

struct LaunchShape {
  const char* name;      ///< as written at the launch
  const void* function;  ///< identifies the kernel for cudaFuncSetAttribute
  dim3 grid, block;
  std::size_t shared_bytes;
  Site site;
};

/// A kernel with its arguments, to be run once for each thread.
class KernelCall {
 public:
  virtual ~KernelCall() = default;
  virtual void run() const = 0;
  /// Refuses a pointer argument that does not point to device memory.
  virtual void check_arguments(const LaunchShape&) const = 0;
};

/// Checks the shape against the limits of a device, then runs the kernel or queues it. The call
/// object, made by new, is taken over.
void submit(const LaunchShape&, CUstream_st* stream, const KernelCall* call);

/// Runs the kernel now.
void run_grid(const LaunchShape&, const KernelCall&);

void check_argument(const LaunchShape&, int position, const void* pointer);

template <class... P>
class BoundKernel final : public KernelCall {
 public:
  BoundKernel(void (*kernel)(P...), std::tuple<P...> arguments)
      : kernel_(kernel), arguments_(arguments) {}

  void run() const override { run(std::index_sequence_for<P...>()); }

  void check_arguments(const LaunchShape& shape) const override {
    check(shape, std::index_sequence_for<P...>());
  }

 private:
  template <std::size_t... I>
  void run(std::index_sequence<I...>) const {
    kernel_(std::get<I>(arguments_)...);
  }
  template <std::size_t... I>
  void check(const LaunchShape& shape, std::index_sequence<I...>) const {
    (check(shape, int(I) + 1, std::get<I>(arguments_)), ...);
  }
  template <class A>
  static void check(const LaunchShape& shape, int position, const A& argument) {
    if constexpr (std::is_pointer_v<A>) check_argument(shape, position, argument);
  }

  void (*kernel_)(P...);
  std::tuple<P...> arguments_;
};

/// What MT_LAUNCH makes; the call operator takes the kernel's arguments.
template <class... P>
class Launch {
 public:
  Launch(const char* name, void (*kernel)(P...), dim3 grid, dim3 block, std::size_t shared_bytes,
         CUstream_st* stream, Site site = Site::current())
      : shape_{name, reinterpret_cast<const void*>(kernel), grid, block, shared_bytes, site},
        kernel_(kernel),
        stream_(stream) {}

  void operator()(std::type_identity_t<P>... arguments) const {
    submit(shape_, stream_, new BoundKernel<P...>(kernel_, {arguments...}));
  }

 private:
  LaunchShape shape_;
  void (*kernel_)(P...);
  CUstream_st* stream_;
};

}  // namespace metatape::kernels::emulation
