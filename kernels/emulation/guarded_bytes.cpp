#include "kernels/emulation/guarded_bytes.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "kernels/emulation/sanitizers.h"

namespace metatape::kernels::emulation {
namespace {

constexpr std::size_t kGuard = 64;
constexpr int kFresh = 0xFF;
constexpr char kGuardByte = 0x5A;

}  // namespace

GuardedBytes::GuardedBytes(std::size_t size, std::size_t alignment)
    : size_(size), guard_(has_address_sanitizer() ? 0 : std::max(kGuard, alignment)) {
  if (posix_memalign(&memory_, alignment, size + 2 * guard_) != 0) throw std::bad_alloc();
  data_ = static_cast<char*>(memory_) + guard_;
  std::memset(data_, kFresh, size);
  mend();
}

GuardedBytes::GuardedBytes(GuardedBytes&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)),
      data_(other.data_),
      size_(other.size_),
      guard_(other.guard_) {}

GuardedBytes::~GuardedBytes() {
  if (!memory_) return;
  std::memset(data_, kFresh, size_);  // a late reader finds NaN
  std::free(memory_);
}

void GuardedBytes::mend() const {
  std::memset(data_ - guard_, kGuardByte, guard_);
  std::memset(data_ + size_, kGuardByte, guard_);
}

bool GuardedBytes::intact() const {
  const auto is_guard = [](char byte) { return byte == kGuardByte; };
  return std::all_of(data_ - guard_, data_, is_guard) &&
         std::all_of(data_ + size_, data_ + size_ + guard_, is_guard);
}

}  // namespace metatape::kernels::emulation
