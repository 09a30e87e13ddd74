#include "engine/tensor.h"

#include "engine/io/sha256.h"

namespace metatape {
namespace {

template <class T>
double load(const std::byte* bytes, std::int64_t i) {
  T value;
  std::memcpy(&value, bytes + std::size_t(i) * sizeof(T), sizeof(T));
  return double(value);
}

template <class T>
void store(std::byte* bytes, std::int64_t i, double x) {
  const T value = T(x);
  std::memcpy(bytes + std::size_t(i) * sizeof(T), &value, sizeof(T));
}

}  // namespace

double Tensor::at(std::int64_t i) const {
  switch (dtype()) {
    case DType::f32:
      return load<float>(bytes_.data(), i);
    case DType::f64:
      return load<double>(bytes_.data(), i);
    case DType::i32:
      return load<std::int32_t>(bytes_.data(), i);
    case DType::u8:
      return load<std::uint8_t>(bytes_.data(), i);
  }
  return 0;
}

void Tensor::set_at(std::int64_t i, double value) {
  switch (dtype()) {
    case DType::f32:
      return store<float>(bytes_.data(), i, value);
    case DType::f64:
      return store<double>(bytes_.data(), i, value);
    case DType::i32:
      return store<std::int32_t>(bytes_.data(), i, value);
    case DType::u8:
      return store<std::uint8_t>(bytes_.data(), i, value);
  }
}

std::vector<double> Tensor::values() const {
  std::vector<double> all(bytes_.size() / dtype_bytes(dtype()));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = at(std::int64_t(i));
  return all;
}

std::string state_digest(const StateStore& store) {
  Sha256 hash;
  for (const auto& [name, tensor] : store) {
    hash.update(fmt::format("{} {} {}\n", name, dtype_name(tensor.dtype()), tensor.shape().str()));
    hash.update(tensor.bytes());
  }
  return hash.hex();
}

}  // namespace metatape
