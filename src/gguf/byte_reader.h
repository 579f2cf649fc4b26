// gguf/byte_reader.h -- reads untrusted bytes front to back and says where it stopped.
//
// Invariant  offset() <= bytes.size(): no read goes beyond the end, whatever length the file
// claims. Errors     kCorrupt, naming the offset in the file and what was being read.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"

namespace quire {

// Text from a file as it may be shown in an error or a terminal: in single quotes, control bytes
// and invalid UTF-8 as \xNN, cut after 60 bytes.
std::string Quoted(std::string_view text);

bool IsUtf8(std::string_view text);

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  uint64_t offset() const { return offset_; }
  uint64_t remaining() const { return bytes_.size() - offset_; }

  // The next little-endian number.
  template <typename T>
    requires std::is_arithmetic_v<T>
  Result<T> Read(std::string_view what) {
    static_assert(std::endian::native == std::endian::little);
    QUIRE_TRY(const auto raw, Take(sizeof(T), what));
    T value;
    std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }

  // The next `count` bytes, in place.
  Result<std::span<const std::byte>> Take(uint64_t count, std::string_view what);

  // A uint64 length and that many bytes, in place.
  Result<std::string_view> ReadString(std::string_view what);

  // kCorrupt: "offset N: message".
  std::unexpected<Error> RefuseHere(std::string_view message) const;

 private:
  std::span<const std::byte> bytes_;
  uint64_t offset_ = 0;
};

}  // namespace quire
