#include "kernels/emulation/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

#include "kernels/emulation/sanitizers.h"

#if !defined(__x86_64__)
#error "the fiber switch is written for x86-64 only"
#endif

// Saves what the System V calling convention preserves on this stack, and takes up the other.
// Floating-point modes are the process's and are not switched.
asm(R"(
.text
.type metatape_switch_stacks, @function
metatape_switch_stacks:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size metatape_switch_stacks, . - metatape_switch_stacks
)");
extern "C" void metatape_switch_stacks(void** save, void* next);

namespace metatape::kernels::emulation {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kStack = 256 * 1024;  // sanitized frames are several times larger
// Stacks do not all begin at the same offset from a power of two: they would share a few sets of
// the caches, and a switch would take 1.3 times as long.
constexpr std::size_t kStagger = 1088, kStaggerRange = 64 * 1024;
constexpr int kSavedRegisters = 6;
constexpr unsigned kWithoutSynchronisation = 1;

Fiber* starting = nullptr;  // handed to enter(), which can have no argument

/// No guards for the thread sanitizer, of which a thread takes ten mappings and more: with two for
/// its stack, 6000 threads come to 64,000 of the 65,530 that Linux allows a process.
char* new_stack() {
  void* stack = mmap(nullptr, kStack, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stack == MAP_FAILED) throw std::bad_alloc();
  if (!has_thread_sanitizer() && mprotect(stack, kPage, PROT_NONE) != 0) throw std::bad_alloc();
  return static_cast<char*>(stack);
}

}  // namespace

Fiber::~Fiber() {
  retire();
  if (stack_) munmap(stack_, kStack);
}

void Fiber::retire() {
  if (identity_) {
    void* host = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(identity_, kWithoutSynchronisation);
    release(this);
    __tsan_switch_to_fiber(host, kWithoutSynchronisation);
    acquire(this);
    __tsan_destroy_fiber(identity_);
    identity_ = nullptr;
    // To the thread sanitizer, a stack used by two threads in turn is a race.
    munmap(stack_, kStack);
    stack_ = nullptr;
  }
}

void Fiber::start(Body body, void* argument) {
  if (!stack_) {
    static std::size_t count = 0;
    stack_ = new_stack();
    stagger_ = count++ * kStagger % kStaggerRange;
  }
  if (unfinished_) unpoison(stack_ + kPage, kStack - kPage);
  unfinished_ = true;
  body_ = body;
  argument_ = argument;
  fake_stack_ = nullptr;
  // As if enter() had been called from nowhere and had then switched away: six registers (rbp = 0
  // ends a walk over the frames), the address to return to, and a null return address above it.
  auto* top = reinterpret_cast<std::uintptr_t*>(stack_ + kStack - stagger_) - 1;
  top[0] = 0;
  *--top = reinterpret_cast<std::uintptr_t>(&Fiber::enter);
  for (int i = 0; i < kSavedRegisters; ++i) *--top = 0;
  stack_pointer_ = top;
  if (has_thread_sanitizer()) identity_ = __tsan_create_fiber(0);
}

void Fiber::resume() {
  void* fake_stack = nullptr;
  starting = this;
  if (has_thread_sanitizer()) {
    host_identity_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(identity_, kWithoutSynchronisation);
  }
  if (has_address_sanitizer()) {
    __sanitizer_start_switch_fiber(&fake_stack, stack_ + kPage, kStack - kPage);
  }
  metatape_switch_stacks(&host_stack_pointer_, stack_pointer_);
  if (has_address_sanitizer()) __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
}

void Fiber::switch_to_host(bool for_ever) {
  if (has_address_sanitizer()) {
    __sanitizer_start_switch_fiber(for_ever ? nullptr : &fake_stack_, host_bottom_, host_size_);
  }
  if (has_thread_sanitizer()) __tsan_switch_to_fiber(host_identity_, kWithoutSynchronisation);
  metatape_switch_stacks(&stack_pointer_, host_stack_pointer_);
  if (has_address_sanitizer()) {
    __sanitizer_finish_switch_fiber(fake_stack_, &host_bottom_, &host_size_);
  }
}

void Fiber::suspend() { switch_to_host(false); }

void Fiber::enter() {
  Fiber& self = *starting;
  if (has_address_sanitizer()) {
    __sanitizer_finish_switch_fiber(nullptr, &self.host_bottom_, &self.host_size_);
  }
  self.body_(self.argument_);
  self.unfinished_ = false;
  self.switch_to_host(true);
}

void Fiber::enter_host_identity() {
  if (has_thread_sanitizer()) __tsan_switch_to_fiber(host_identity_, kWithoutSynchronisation);
}

void Fiber::leave_host_identity() {
  if (has_thread_sanitizer()) __tsan_switch_to_fiber(identity_, kWithoutSynchronisation);
}

}  // namespace metatape::kernels::emulation
