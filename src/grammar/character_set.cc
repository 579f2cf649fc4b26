#include "grammar/character_set.h"

#include <algorithm>

namespace quire {
namespace {

constexpr uint32_t kLastCharacter = 0x10FFFF;
constexpr uint32_t kFirstSurrogate = 0xD800;
constexpr uint32_t kLastSurrogate = 0xDFFF;

}  // namespace

CharacterSet::CharacterSet(std::initializer_list<CharacterRange> ranges) {
  for (const CharacterRange& range : ranges) Add(range.first, range.last);
}

CharacterSet CharacterSet::All() { return {{0, kLastCharacter}}; }

void CharacterSet::Add(uint32_t first, uint32_t last) {
  last = std::min(last, kLastCharacter);
  if (first > last) return;
  if (first <= kLastSurrogate && last >= kFirstSurrogate) {
    if (first < kFirstSurrogate) ranges_.push_back({first, kFirstSurrogate - 1});
    if (last > kLastSurrogate) ranges_.push_back({kLastSurrogate + 1, last});
  } else {
    ranges_.push_back({first, last});
  }
  Normalise();
}

void CharacterSet::Add(const CharacterSet& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  Normalise();
}

void CharacterSet::Normalise() {
  std::ranges::sort(ranges_, {}, &CharacterRange::first);
  size_t kept = 0;
  for (const CharacterRange& range : ranges_) {
    if (kept > 0 && range.first <= ranges_[kept - 1].last + 1) {
      ranges_[kept - 1].last = std::max(ranges_[kept - 1].last, range.last);
    } else {
      ranges_[kept++] = range;
    }
  }
  ranges_.resize(kept);
}

CharacterSet CharacterSet::Complement() const {
  CharacterSet result;
  uint32_t next = 0;
  for (const CharacterRange& range : ranges_) {
    if (range.first > next) result.Add(next, range.first - 1);
    next = range.last + 1;
  }
  if (next <= kLastCharacter) result.Add(next, kLastCharacter);
  return result;
}

CharacterSet CharacterSet::And(const CharacterSet& other) const {
  CharacterSet either = Complement();
  either.Add(other.Complement());
  return either.Complement();
}

bool CharacterSet::Has(uint32_t character) const {
  return std::ranges::any_of(ranges_, [character](const CharacterRange& range) {
    return range.first <= character && character <= range.last;
  });
}

}  // namespace quire
