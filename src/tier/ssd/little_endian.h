// tier/ssd/little_endian.h -- numbers and plain arrays at an offset of some bytes.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "base/check.h"

namespace quire {

static_assert(std::endian::native == std::endian::little, "files are little-endian");

template <typename T>
T LoadAt(std::span<const std::byte> bytes, uint64_t offset) {
  static_assert(std::is_trivially_copyable_v<T>);
  QUIRE_CHECK(offset + sizeof(T) <= bytes.size());
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

template <typename T>
void StoreAt(std::span<std::byte> bytes, uint64_t offset, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  QUIRE_CHECK(offset + sizeof(T) <= bytes.size());
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

}  // namespace quire
