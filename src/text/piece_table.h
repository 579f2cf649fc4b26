// text/piece_table.h -- numbers strings: each distinct string once, found again by hash.
//
// A vocabulary is 50,000 to 500,000 short strings that never change after loading, looked up a
// few times per word of every text: one arena and one flat table, no node per string.
//
// Threads  const functions from any number of threads once nothing is added any more.
// Cost     O(length) per call; at most 20 bytes per string beside its own.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace quire {

class PieceTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  PieceTable() : slots_(16, kNone) {}

  // Room for so many strings in all, of so many bytes, without moving what is there.
  void Reserve(size_t strings, size_t bytes) {
    arena_.reserve(bytes);
    ends_.reserve(strings);
    if (slots_.size() < 2 * strings) Resize(std::bit_ceil(2 * strings));
  }

  // The number of `text`: its old one, or the next free one, counted from 0.
  uint32_t Add(std::string_view text) {
    size_t slot = SlotOf(text);
    if (slots_[slot] != kNone) return slots_[slot];
    const uint32_t number = size();
    arena_.append(text);
    ends_.push_back(static_cast<uint32_t>(arena_.size()));
    slots_[slot] = number;
    if (ends_.size() * 2 > slots_.size()) Resize(2 * slots_.size());
    if (text.size() > longest_) longest_ = text.size();
    return number;
  }

  uint32_t Find(std::string_view text) const {
    return text.size() > longest_ ? kNone : slots_[SlotOf(text)];
  }

  std::string_view Text(uint32_t number) const {
    const uint32_t begin = number == 0 ? 0 : ends_[number - 1];
    return std::string_view(arena_).substr(begin, ends_[number] - begin);
  }

  uint32_t size() const { return static_cast<uint32_t>(ends_.size()); }
  size_t longest() const { return longest_; }  // bytes

 private:
  // The slot that holds `text`, or the empty one where it belongs.
  size_t SlotOf(std::string_view text) const {
    const size_t mask = slots_.size() - 1;
    size_t slot = std::hash<std::string_view>()(text) & mask;
    while (slots_[slot] != kNone && Text(slots_[slot]) != text) slot = (slot + 1) & mask;
    return slot;
  }

  void Resize(size_t slots) {
    slots_.assign(slots, kNone);
    for (uint32_t number = 0; number < size(); ++number) slots_[SlotOf(Text(number))] = number;
  }

  std::string arena_;
  std::vector<uint32_t> ends_;   // [size()], offsets into arena_; a file's strings are below 4 GiB
  std::vector<uint32_t> slots_;  // power of two, at most half full
  size_t longest_ = 0;
};

}  // namespace quire
