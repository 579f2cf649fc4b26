// grammar/byte_set.h -- a set of byte values.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace quire {

class ByteSet {
 public:
  constexpr ByteSet() = default;
  static constexpr ByteSet Range(uint8_t first, uint8_t last) {
    ByteSet set;
    for (uint32_t byte = first; byte <= last; ++byte) set.Add(static_cast<uint8_t>(byte));
    return set;
  }
  static constexpr ByteSet All() { return Range(0, 255); }

  constexpr void Add(uint8_t byte) { words_[byte / 64] |= uint64_t{1} << byte % 64; }
  constexpr void Remove(uint8_t byte) { words_[byte / 64] &= ~(uint64_t{1} << byte % 64); }
  constexpr bool Has(uint8_t byte) const { return (words_[byte / 64] >> byte % 64 & 1) != 0; }
  // The first byte from `from` on that is in (or is not in) the set; 256 if there is none.
  constexpr uint32_t NextFrom(uint32_t from, bool in) const {
    while (from < 256) {
      const uint64_t word = (in ? words_[from / 64] : ~words_[from / 64]) >> from % 64;
      if (word != 0) return from + static_cast<uint32_t>(std::countr_zero(word));
      from = (from / 64 + 1) * 64;
    }
    return 256;
  }
  constexpr bool empty() const { return (words_[0] | words_[1] | words_[2] | words_[3]) == 0; }
  constexpr uint32_t size() const {
    uint32_t size = 0;
    for (const uint64_t word : words_) size += static_cast<uint32_t>(std::popcount(word));
    return size;
  }

  constexpr ByteSet& operator|=(const ByteSet& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
    return *this;
  }
  constexpr ByteSet& operator&=(const ByteSet& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
    return *this;
  }
  constexpr bool operator==(const ByteSet&) const = default;

 private:
  std::array<uint64_t, 4> words_{};
};

}  // namespace quire
