#include "grammar/source/regex.h"

#include <fmt/format.h>

#include <vector>

#include "grammar/source/json_text.h"
#include "grammar/source/pattern_reader.h"

namespace quire {
namespace {

constexpr uint32_t kMaxGroups = 200;  // inside each other

class RegexReader {
 public:
  RegexReader(Parts& parts, std::string_view pattern, RegexUse use)
      : parts_(parts), reader_(pattern), use_(use) {}

  Result<Part> Whole() {
    std::vector<Part> choices;
    do {
      QUIRE_TRY(const Part choice, OuterChoice());
      choices.push_back(choice);
    } while (reader_.Take("|"));
    if (!reader_.at_end()) return reader_.Refused("a ) has no (");
    return parts_.Choice(choices);
  }

 private:
  Part Characters(const CharacterSet& set) {
    return use_ == RegexUse::kInJsonString ? AddJsonCharacters(parts_, set) : parts_.OneOf(set);
  }

  // An alternative of the whole pattern, where anchors say what it is not surrounded by.
  Result<Part> OuterChoice() {
    const bool from_start = reader_.Take("^") || reader_.Take("\\A");
    QUIRE_TRY(Part part, Sequence(0));
    const bool to_end = reader_.Take("$") || reader_.Take("\\Z") || reader_.Take("\\z");
    if (!reader_.at_end() && !reader_.LooksAt("|") && !reader_.LooksAt(")")) {
      return reader_.Refused("an anchor can only stand at the start or the end of the pattern");
    }
    if (use_ == RegexUse::kWhole) return part;
    const Part anything = parts_.Repeat(Characters(CharacterSet::All()), 0);
    std::vector<Part> whole;
    if (!from_start) whole.push_back(anything);
    whole.push_back(part);
    if (!to_end) whole.push_back(anything);
    return parts_.Sequence(whole);
  }

  Result<Part> Alternatives(uint32_t depth) {
    std::vector<Part> choices;
    do {
      QUIRE_TRY(const Part choice, Sequence(depth));
      choices.push_back(choice);
    } while (reader_.Take("|"));
    return parts_.Choice(choices);
  }

  // Up to what ends it: | or ) or the end, or an anchor.
  Result<Part> Sequence(uint32_t depth) {
    std::vector<Part> items;
    while (!reader_.at_end() && !reader_.LooksAt("|") && !reader_.LooksAt(")")) {
      if (parts_.overflowed()) return reader_.Refused("it is too large");
      if (AtAnchor()) {
        if (depth == 0) break;
        return reader_.Refused("an anchor can only stand at the start or the end of the pattern");
      }
      QUIRE_TRY(const Part item, Item(depth));
      items.push_back(item);
    }
    return parts_.Sequence(items);
  }

  bool AtAnchor() const {
    for (const std::string_view anchor : {"^", "$", "\\A", "\\Z", "\\z"}) {
      if (reader_.LooksAt(anchor)) return true;
    }
    return false;
  }

  Result<Part> Item(uint32_t depth) {
    QUIRE_TRY(Part part, Atom(depth));
    QUIRE_TRY(const auto bounds, reader_.Repeat());
    if (!bounds) return part;
    part = parts_.Repeat(part, bounds->least, bounds->most);
    reader_.Take("?");  // lazy: the same texts
    if (reader_.LooksAt("+")) return reader_.Refused("possessive quantifiers are not supported");
    QUIRE_TRY(const auto again, reader_.Repeat());
    if (again) return reader_.Refused("a quantifier follows a quantifier");
    return part;
  }

  Result<Part> Atom(uint32_t depth) {
    if (reader_.Take("(")) return Group(depth);
    if (reader_.Take("[")) {
      QUIRE_TRY(const CharacterSet set, reader_.Class());
      return Characters(set);
    }
    if (reader_.Take(".")) return Characters(DotCharacters());
    if (reader_.Take("\\")) return Escaped();
    for (const std::string_view quantifier : {"*", "+", "?"}) {
      if (reader_.LooksAt(quantifier)) return reader_.Refused("there is nothing to repeat");
    }
    QUIRE_TRY(const uint32_t character, reader_.Character());
    return Characters({{character, character}});
  }

  Result<Part> Escaped() {
    if (reader_.LooksAt("b") || reader_.LooksAt("B")) {
      return reader_.Refused("word boundaries (\\b, \\B) are not supported");
    }
    if (reader_.LooksAt("p") || reader_.LooksAt("P")) {
      return reader_.Refused("Unicode properties (\\p) are not supported");
    }
    QUIRE_TRY(const CharacterSet set, reader_.Escape());
    return Characters(set);
  }

  Result<Part> Group(uint32_t depth) {
    if (depth >= kMaxGroups) return reader_.Refused("groups are nested too deep");
    if (reader_.Take("?")) {
      if (const Status kind = GroupKind(); !kind) return std::unexpected(kind.error());
    }
    QUIRE_TRY(const Part part, Alternatives(depth + 1));
    if (!reader_.Take(")")) return reader_.Refused("a ( is not closed");
    return part;
  }

  Status GroupKind() {
    if (reader_.Take(":")) return {};
    for (const std::string_view look : {"=", "!", "<=", "<!"}) {
      if (reader_.LooksAt(look)) {
        return reader_.Refused("look-around (?= (?! (?<= (?<! is not supported");
      }
    }
    if (!reader_.Take("P<") && !reader_.Take("<")) {
      return reader_.Refused("flags and special groups (?...) are not supported");
    }
    const size_t close = reader_.rest().find('>');
    if (close == std::string_view::npos || close == 0) {
      return reader_.Refused("a group's name is not closed");
    }
    reader_.Skip(close + 1);
    return {};
  }

  Parts& parts_;
  PatternReader reader_;
  const RegexUse use_;
};

}  // namespace

Result<Part> AddRegex(Parts& parts, std::string_view pattern, RegexUse use) {
  return RegexReader(parts, pattern, use).Whole();
}

}  // namespace quire
