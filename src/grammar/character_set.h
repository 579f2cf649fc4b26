// grammar/character_set.h -- a set of Unicode characters, as sorted ranges.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace quire {

struct CharacterRange {
  uint32_t first;
  uint32_t last;  // included
  bool operator==(const CharacterRange&) const = default;
};

// Holds scalar values only: 0 to U+10FFFF without the surrogates.
class CharacterSet {
 public:
  CharacterSet() = default;
  CharacterSet(std::initializer_list<CharacterRange> ranges);
  static CharacterSet All();

  void Add(uint32_t first, uint32_t last);
  void Add(const CharacterSet& other);
  CharacterSet Complement() const;
  CharacterSet And(const CharacterSet& other) const;
  bool Has(uint32_t character) const;
  bool empty() const { return ranges_.empty(); }
  std::span<const CharacterRange> ranges() const { return ranges_; }  // sorted, with gaps between

 private:
  void Normalise();
  std::vector<CharacterRange> ranges_;
};

}  // namespace quire
