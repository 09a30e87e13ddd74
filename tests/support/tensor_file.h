#pragma once

#include <cstdint>
#include <string>

namespace metatape {

/// A safetensors file with any header, in front of `data` bytes.
inline std::string tensor_file(const std::string& header, std::size_t data = 0) {
  const std::uint64_t size = header.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + header +
         std::string(data, 'x');
}

}  // namespace metatape
