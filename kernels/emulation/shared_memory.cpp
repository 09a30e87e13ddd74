#include <algorithm>
#include <utility>

#include "kernels/emulation/grid.h"
#include "kernels/emulation/sanitizers.h"
#include "kernels/emulation/stream.h"

namespace metatape::kernels::emulation {

void* Grid::shared_array(const void* key, const char* name, std::size_t size, std::size_t alignment,
                         Site site) {
  auto array = std::find_if(shared_.begin(), shared_.end(),
                            [&](const SharedArray& s) { return s.key == key; });
  if (array == shared_.end()) {
    static_shared_bytes_ += size;
    const std::size_t all = static_shared_bytes_ + shape_.shared_bytes;
    const std::size_t limit =
        dynamic_shared_limit(shape_.function) > kSharedBytes ? kSharedBytesOptIn : kSharedBytes;
    if (static_shared_bytes_ > kSharedBytes || all > limit) {
      std::string found = std::string("with ") + name + ", the block needs " +
                          std::to_string(static_shared_bytes_) + " static and " +
                          std::to_string(shape_.shared_bytes) +
                          " dynamic bytes of shared memory; at most " +
                          std::to_string(kSharedBytes) + " may be static and " +
                          std::to_string(limit) + " all together";
      fail(site, std::move(found));
    }
    thread_->fiber.as_host([&] {
      shared_.push_back({key, name, GuardedBytes(size, std::max<std::size_t>(alignment, 16))});
      release(this);
    });
    array = shared_.end() - 1;
  }
  acquire(this);  // the fill with 0xFF comes before all that threads do with the array
  return array->bytes.data();
}

void Grid::check_shared_arrays() {
  for (SharedArray& array : shared_) {
    if (!array.bytes.intact()) {
      throw EmulationError("[" + subject_of(shape_) + ", block " + text_of(block_) +
                           "] a write just outside " + array.name + ", which has " +
                           std::to_string(array.bytes.size()) + " bytes");
    }
    // To the thread sanitizer, memory used by two blocks in turn is a race.
    if (has_thread_sanitizer()) kept_.push_back(std::move(array.bytes));
  }
  shared_.clear();
}

void* shared_array(const void* key, const char* name, std::size_t size, std::size_t alignment,
                   Site site) {
  return current_grid()->shared_array(key, name, size, alignment, site);
}

}  // namespace metatape::kernels::emulation
