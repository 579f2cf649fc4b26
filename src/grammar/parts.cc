#include "grammar/parts.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace quire {
namespace {

// Deeper nesting of parts is refused: compiling them is recursive.
constexpr uint32_t kMaxNesting = 4000;

constexpr uint32_t kLastOfLength[] = {0x7F, 0x7FF, 0xFFFF, 0x10FFFF};  // by bytes - 1

struct Utf8 {
  uint8_t bytes[4];
  uint32_t size;
};

Utf8 Encode(uint32_t character) {
  const auto tail = [character](uint32_t shift) {
    return static_cast<uint8_t>(0x80 | (character >> shift & 0x3F));
  };
  if (character <= kLastOfLength[0]) return {{static_cast<uint8_t>(character)}, 1};
  if (character <= kLastOfLength[1]) {
    return {{static_cast<uint8_t>(0xC0 | character >> 6), tail(0)}, 2};
  }
  if (character <= kLastOfLength[2]) {
    return {{static_cast<uint8_t>(0xE0 | character >> 12), tail(6), tail(0)}, 3};
  }
  return {{static_cast<uint8_t>(0xF0 | character >> 18), tail(12), tail(6), tail(0)}, 4};
}

// Calls `add(low, high)` with encodings of one length that differ, from the first byte that does,
// only in full ranges of the bytes behind: the product of byte ranges is exactly first..last.
template <typename Add>
void SplitRange(uint32_t first, uint32_t last, const Add& add) {
  for (const uint32_t end : kLastOfLength) {
    if (first <= end && last > end) {
      SplitRange(first, end, add);
      SplitRange(end + 1, last, add);
      return;
    }
  }
  for (uint32_t bits = 6; bits < 24; bits += 6) {
    const uint32_t mask = (uint32_t{1} << bits) - 1;
    if (first >> bits == last >> bits) break;
    if ((first & mask) != 0) {
      SplitRange(first, first | mask, add);
      SplitRange((first | mask) + 1, last, add);
      return;
    }
    if ((last & mask) != mask) {
      SplitRange(first, (last & ~mask) - 1, add);
      SplitRange(last & ~mask, last, add);
      return;
    }
  }
  add(Encode(first), Encode(last));
}

}  // namespace

std::string ControlBytes(TokenId token) {
  const auto seven = [token](uint32_t shift) {
    return static_cast<char>(static_cast<uint32_t>(token) >> shift & 0x7F);
  };
  return {static_cast<char>(kControlLead), seven(14), seven(7), seven(0)};
}

Part Parts::Add(Node node) {
  num_bytes_ += node.text.size();
  for (const Part child : node.children) {
    node.nesting = std::max(node.nesting, this->node(child).nesting + 1);
    node.has_rule = node.has_rule || this->node(child).has_rule;
  }
  if (nodes_.size() >= kMaxParts || num_bytes_ > kMaxPartBytes || node.nesting > kMaxNesting) {
    overflowed_ = true;
    if (!nodes_.empty()) return Part{0};
    node = {.kind = Kind::kChoice};
  }
  nodes_.push_back(std::move(node));
  return Part{size() - 1};
}

Part Parts::Literal(std::string_view bytes) {
  return Add({.kind = Kind::kLiteral, .text = std::string(bytes)});
}

Part Parts::OneOf(const ByteSet& bytes) { return Add({.kind = Kind::kBytes, .bytes = bytes}); }

Part Parts::OneOf(const CharacterSet& characters) {
  ByteSet ascii;
  std::vector<Part> choices;
  for (const CharacterRange& range : characters.ranges()) {
    SplitRange(range.first, range.last, [&](const Utf8& low, const Utf8& high) {
      if (low.size == 1) {
        ascii |= ByteSet::Range(low.bytes[0], high.bytes[0]);
        return;
      }
      std::vector<Part> bytes;
      for (uint32_t i = 0; i < low.size; ++i) {
        bytes.push_back(OneOf(ByteSet::Range(low.bytes[i], high.bytes[i])));
      }
      choices.push_back(Sequence(bytes));
    });
  }
  if (!ascii.empty()) choices.push_back(OneOf(ascii));
  return Choice(choices);
}

Part Parts::Sequence(std::span<const Part> parts) {
  if (parts.size() == 1) return parts[0];
  return Add({.kind = Kind::kSequence, .children = {parts.begin(), parts.end()}});
}

Part Parts::Choice(std::span<const Part> parts) {
  if (parts.size() == 1) return parts[0];
  return Add({.kind = Kind::kChoice, .children = {parts.begin(), parts.end()}});
}

Part Parts::Repeat(Part body, uint32_t least, uint32_t most) {
  QUIRE_CHECK(least <= most && least != kEndless);
  return Add({.kind = Kind::kRepeat, .least = least, .most = most, .children = {body}});
}

Part Parts::Both(Part left, Part right) {
  QUIRE_CHECK(overflowed_ || (!node(left).has_rule && !node(right).has_rule));
  return Add({.kind = Kind::kBoth, .children = {left, right}});
}

Part Parts::NewRule(std::string name) {
  const Part rule = Add({.kind = Kind::kRule, .has_rule = true, .text = name});
  rules_.emplace(std::move(name), rule);
  return rule;
}

std::optional<Part> Parts::FindRule(std::string_view name) const {
  const auto found = rules_.find(name);
  return found == rules_.end() ? std::nullopt : std::optional(found->second);
}

void Parts::Define(Part rule, Part body) {
  if (overflowed_) return;
  Node& node = nodes_[static_cast<size_t>(rule)];
  QUIRE_CHECK(node.kind == Kind::kRule && node.children.empty(), "a rule is defined once");
  node.children.push_back(body);
}

Part Parts::TextWithout(std::string_view marker) {
  QUIRE_CHECK(!marker.empty());
  return Add({.kind = Kind::kText, .has_rule = true, .text = std::string(marker)});
}

Part Parts::TextThrough(std::string_view marker) {
  QUIRE_CHECK(!marker.empty());
  return Add({.kind = Kind::kText, .through = true, .has_rule = true, .text = std::string(marker)});
}

Part Parts::ControlToken(TokenId token) { return Literal(ControlBytes(token)); }

}  // namespace quire
