#pragma once

#include <cstddef>

namespace metatape::kernels::emulation {

/// Memory of an exact size, filled with 0xFF: NaN as a float, -1 as an integer. The address
/// sanitizer knows its ends; without that sanitizer, bytes before and after it show a write there.
class GuardedBytes {
 public:
  GuardedBytes(std::size_t size, std::size_t alignment);
  GuardedBytes(GuardedBytes&& other) noexcept;
  GuardedBytes& operator=(GuardedBytes&&) = delete;
  ~GuardedBytes();

  char* data() const { return data_; }
  std::size_t size() const { return size_; }
  /// False once a byte just outside has been written; mend() makes it true again.
  bool intact() const;
  void mend() const;

 private:
  void* memory_ = nullptr;
  char* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t guard_ = 0;  ///< bytes on either side
};

}  // namespace metatape::kernels::emulation
