// text/text_list.h -- many short strings that never change, by number.
//
// A vocabulary has up to half a million strings of a few bytes: one arena, and 4 bytes each for
// where they end. Texts are valid as long as nothing is added.
//
// Threads  const functions from any number of threads once nothing is added any more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"

namespace quire {

class TextList {
 public:
  // The next number's text. All together must stay below 4 GiB.
  void Add(std::string_view text) {
    arena_.append(text);
    QUIRE_CHECK(arena_.size() <= std::numeric_limits<uint32_t>::max());
    ends_.push_back(static_cast<uint32_t>(arena_.size()));
  }

  // Gives back what was reserved for more.
  void ShrinkToFit() {
    arena_.shrink_to_fit();
    ends_.shrink_to_fit();
  }

  std::string_view operator[](size_t number) const {
    const uint32_t begin = number == 0 ? 0 : ends_[number - 1];
    return std::string_view(arena_).substr(begin, ends_[number] - begin);
  }

  uint32_t size() const { return static_cast<uint32_t>(ends_.size()); }

 private:
  std::string arena_;
  std::vector<uint32_t> ends_;  // [size()], offsets into arena_
};

}  // namespace quire
