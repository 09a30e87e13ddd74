#pragma once

#include <cstddef>

namespace metatape::kernels::emulation {

/// A function with a stack of its own that can be left in the middle and entered again. Switching
/// costs ten instructions and no system call; the address and thread sanitizers are told of it.
class Fiber {
 public:
  using Body = void (*)(void* argument);

  Fiber() = default;
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber();

  /// Makes the next resume() call body(argument). What an unfinished earlier body left on the stack
  /// is dropped without destructors.
  void start(Body body, void* argument);

  /// On the host: runs the body until it suspends or returns.
  void resume();

  /// On the fiber: back to the resume() that entered it.
  void suspend();

  /// Runs `action` as if the host had: what it allocates and writes is the host's for the thread
  /// sanitizer.
  template <class Action>
  void as_host(const Action& action) {
    enter_host_identity();
    action();
    leave_host_identity();
  }

  /// For the thread sanitizer: what the fiber did happened before what the host does next, and the
  /// next start() is another thread. Nothing without it.
  void retire();

 private:
  static void enter();
  void switch_to_host(bool for_ever);
  void enter_host_identity();
  void leave_host_identity();

  char* stack_ = nullptr;    ///< lowest address; the first page may be a guard
  std::size_t stagger_ = 0;  ///< bytes left free at its high end
  void* stack_pointer_ = nullptr;
  void* host_stack_pointer_ = nullptr;
  Body body_ = nullptr;
  void* argument_ = nullptr;
  bool unfinished_ = false;

  void* fake_stack_ = nullptr;  ///< address sanitizer's, while suspended
  const void* host_bottom_ = nullptr;
  std::size_t host_size_ = 0;
  void* identity_ = nullptr;  ///< thread sanitizer's
  void* host_identity_ = nullptr;
};

}  // namespace metatape::kernels::emulation
