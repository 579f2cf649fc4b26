#include "grammar/source/ebnf.h"

#include <fmt/format.h>

#include <cctype>
#include <map>
#include <string>
#include <vector>

#include "grammar/source/pattern_reader.h"

namespace quire {
namespace {

constexpr uint32_t kMaxGroups = 200;  // inside each other
constexpr size_t kMaxRules = 5000;

bool IsNameByte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
}

class EbnfReader {
 public:
  EbnfReader(Parts& parts, std::string_view text) : parts_(parts), reader_(text) {}

  Result<Part> Whole() {
    for (SkipBlank(); !reader_.at_end(); SkipBlank()) {
      if (const Status rule = Rule(); !rule) return std::unexpected(rule.error());
    }
    if (first_.empty()) return reader_.Refused("there is no rule");
    for (const auto& [name, rule] : rules_) {
      if (rule.defined) continue;
      return Refuse(ErrorCode::kInvalidArgument,
                    fmt::format("the rule '{}' is used but not defined", name));
    }
    for (const std::string_view name : {"root", "start"}) {
      if (const auto found = rules_.find(name); found != rules_.end()) return found->second.part;
    }
    return rules_.find(first_)->second.part;
  }

 private:
  struct Named {
    Part part;
    bool defined = false;
  };

  void SkipBlank() {
    while (!reader_.at_end()) {
      const char c = reader_.rest()[0];
      if (c == '#') {
        reader_.Skip(std::min(reader_.rest().find('\n'), reader_.rest().size()));
      } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        reader_.Skip(1);
      } else {
        return;
      }
    }
  }

  std::string_view Name() {
    size_t size = 0;
    while (size < reader_.rest().size() && IsNameByte(reader_.rest()[size])) ++size;
    const std::string_view name = reader_.rest().substr(0, size);
    reader_.Skip(size);
    return name;
  }

  // Whether a rule begins here: a name and its sign.
  bool AtRule() {
    const PatternReader before = reader_;
    const bool named = !Name().empty();
    SkipBlank();
    const bool defines = named && (reader_.LooksAt("::=") || reader_.LooksAt("="));
    reader_ = before;
    return defines;
  }

  Result<Named*> Find(std::string_view name) {
    const auto found = rules_.find(name);
    if (found != rules_.end()) return &found->second;
    if (rules_.size() >= kMaxRules) {
      return reader_.Refused(fmt::format("there are more than {} rules", kMaxRules));
    }
    const Part part = parts_.NewRule(std::string(name));
    return &rules_.emplace(std::string(name), Named{part}).first->second;
  }

  Status Rule() {
    const std::string name(Name());
    if (name.empty()) return reader_.Refused("a rule must begin with its name");
    SkipBlank();
    if (!reader_.Take("::=") && !reader_.Take("=")) {
      return reader_.Refused(fmt::format("::= must follow the name '{}'", name));
    }
    QUIRE_TRY(Named* const rule, Find(name));
    if (rule->defined) return reader_.Refused(fmt::format("'{}' is defined twice", name));
    rule->defined = true;
    const Part part = rule->part;
    if (first_.empty()) first_ = name;
    QUIRE_TRY(const Part body, Alternatives(0));
    parts_.Define(part, body);
    SkipBlank();
    reader_.Take(";");
    return {};
  }

  Result<Part> Alternatives(uint32_t depth) {
    std::vector<Part> choices;
    do {
      QUIRE_TRY(const Part choice, Sequence(depth));
      choices.push_back(choice);
      SkipBlank();
    } while (reader_.Take("|"));
    return parts_.Choice(choices);
  }

  Result<Part> Sequence(uint32_t depth) {
    std::vector<Part> items;
    for (SkipBlank(); !reader_.at_end() && !AtEndOfSequence(); SkipBlank()) {
      if (parts_.overflowed()) return reader_.Refused("it is too large");
      QUIRE_TRY(Part item, Item(depth));
      SkipBlank();
      for (;;) {
        QUIRE_TRY(const auto bounds, reader_.Repeat());
        if (!bounds) break;
        item = parts_.Repeat(item, bounds->least, bounds->most);
      }
      items.push_back(item);
    }
    return parts_.Sequence(items);
  }

  bool AtEndOfSequence() {
    return reader_.LooksAt("|") || reader_.LooksAt(")") || reader_.LooksAt(";") || AtRule();
  }

  Result<Part> Item(uint32_t depth) {
    if (reader_.Take("(")) {
      if (depth >= kMaxGroups) return reader_.Refused("groups are nested too deep");
      QUIRE_TRY(const Part group, Alternatives(depth + 1));
      SkipBlank();
      if (!reader_.Take(")")) return reader_.Refused("a ( is not closed");
      return group;
    }
    if (reader_.Take("\"")) return Text('"');
    if (reader_.Take("'")) return Text('\'');
    if (reader_.Take("[")) {
      QUIRE_TRY(const CharacterSet set, reader_.Class());
      return parts_.OneOf(set);
    }
    if (reader_.Take(".")) return parts_.OneOf(DotCharacters());
    const std::string_view name = Name();
    if (name.empty()) return reader_.Refused("a text, a class, a group or a rule is needed here");
    QUIRE_TRY(const Named* const rule, Find(name));
    return rule->part;
  }

  Result<Part> Text(char quote) {
    std::vector<Part> characters;
    while (!reader_.Take(std::string_view(&quote, 1))) {
      if (reader_.at_end() || reader_.LooksAt("\n")) return reader_.Refused("a text is not closed");
      CharacterSet set;
      if (reader_.Take("\\")) {
        QUIRE_TRY(set, reader_.Escape());
      } else {
        QUIRE_TRY(const uint32_t character, reader_.Character());
        set.Add(character, character);
      }
      characters.push_back(parts_.OneOf(set));
    }
    return parts_.Sequence(characters);
  }

  Parts& parts_;
  PatternReader reader_;
  std::map<std::string, Named, std::less<>> rules_;
  std::string first_;
};

}  // namespace

Result<Part> AddEbnf(Parts& parts, std::string_view text) {
  return EbnfReader(parts, text).Whole();
}

}  // namespace quire
