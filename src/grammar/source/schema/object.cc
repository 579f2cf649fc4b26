// Objects: their properties in the order of the schema, then those it does not name.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "grammar/source/json_schema.h"
#include "grammar/source/json_text.h"
#include "grammar/source/schema/compiler.h"

namespace quire {

struct SchemaCompiler::Members {
  struct Member {
    Part entry;  // "name": value
    bool required;
  };
  std::vector<Member> named;
  Part other;               // an entry of another name
  bool others = false;      // there may be such
  bool impossible = false;  // nothing satisfies the schema
  uint64_t least = 0;
  uint64_t most = kEndless;
};

namespace {

constexpr uint64_t kMaxCounted = 200;  // properties that minProperties and maxProperties count

// Keys in plain characters that are none of `names` from `at` on, with the closing quote. Escapes
// are left out, or a name could be spelled in a second way.
Part KeyOtherThan(Parts& parts, const std::vector<std::string>& names, size_t at) {
  static const CharacterSet plain = CharacterSet{{0, 0x1F}, {'"', '"'}, {'\\', '\\'}}.Complement();
  const Part quote = parts.Literal("\"");
  const Part any = parts.Sequence({parts.Repeat(parts.OneOf(plain), 0), quote});
  if (names.empty()) return any;
  const bool ends_here =
      std::ranges::any_of(names, [at](const std::string& name) { return name.size() == at; });
  std::map<uint8_t, std::vector<std::string>> next;
  for (const std::string& name : names) {
    if (name.size() > at) next[static_cast<uint8_t>(name[at])].push_back(name);
  }
  std::vector<Part> choices;
  if (!ends_here) choices.push_back(quote);
  CharacterSet others = plain;
  CharacterSet taken;
  for (const auto& [byte, rest] : next) {
    taken.Add(byte, byte);
    ByteSet only;
    only.Add(byte);
    if (plain.Has(byte)) {
      choices.push_back(parts.Sequence({parts.OneOf(only), KeyOtherThan(parts, rest, at + 1)}));
    }
  }
  choices.push_back(parts.Sequence({parts.OneOf(plain.And(taken.Complement())), any}));
  return parts.Choice(choices);
}

// Names beyond ASCII are told apart by their first such character only: keys that have it there
// are left out.
std::string AsciiBeginning(const std::string& name) {
  return name.substr(
      0, static_cast<size_t>(
             std::ranges::find_if(name, [](char c) { return static_cast<uint8_t>(c) >= 0x80; }) -
             name.begin()));
}

}  // namespace

Result<Part> SchemaCompiler::Object(const SchemaJson& schema, const std::string& path) {
  QUIRE_TRY(Members members, ReadMembers(schema, path));
  if (members.impossible) return parts_.Never();
  return ObjectOf(members);
}

Result<SchemaCompiler::Members> SchemaCompiler::ReadMembers(const SchemaJson& schema,
                                                            const std::string& path) {
  Members members;
  members.least = schema.value("minProperties", uint64_t{0});
  members.most = schema.value("maxProperties", uint64_t{kEndless});
  const SchemaJson none = SchemaJson::object();
  const SchemaJson& properties = schema.contains("properties") ? schema["properties"] : none;
  const SchemaJson required = schema.value("required", SchemaJson::array());
  const auto add = [&](const std::string& name, const SchemaJson& value, bool needed,
                       const std::string& place) -> Status {
    QUIRE_TRY(const Part part, Any(value, place, true));
    members.named.push_back({AddJsonEntry(parts_, AddJsonLiteral(parts_, name), part), needed});
    return {};
  };
  for (const auto& [name, value] : properties.items()) {
    const bool needed = std::find(required.begin(), required.end(), name) != required.end();
    const std::string place = fmt::format("{}.properties.{}", path, name);
    if (const Status added = add(name, value, needed, place); !added) {
      return std::unexpected(added.error());
    }
  }
  const SchemaJson others = schema.value("additionalProperties", SchemaJson(true));
  for (const SchemaJson& name : required) {
    if (properties.contains(name.get<std::string>())) continue;
    members.impossible = members.impossible || others == false;
    const Status added = add(name.get<std::string>(), others, true, path + ".additionalProperties");
    if (!added) return std::unexpected(added.error());
  }
  const Status read = ReadOthers(schema, path, members);
  if (!read) return std::unexpected(read.error());
  return members;
}

Status SchemaCompiler::ReadOthers(const SchemaJson& schema, const std::string& path,
                                  Members& members) {
  const bool named = schema.contains("properties") && !schema["properties"].empty();
  const SchemaJson others = schema.value("additionalProperties", SchemaJson(!named));
  members.others = others != false && members.most > 0;
  if (members.others) {
    std::vector<std::string> names;
    for (const char* keyword : {"properties", "required"}) {
      if (!schema.contains(keyword)) continue;
      for (const auto& [key, value] : schema[keyword].items()) {
        names.push_back(AsciiBeginning(
            value.is_string() && schema[keyword].is_array() ? value.get<std::string>() : key));
      }
    }
    QUIRE_TRY(const Part value, Any(others, path + ".additionalProperties", true));
    const Part key = names.empty()
                         ? AddJsonString(parts_)
                         : parts_.Sequence({parts_.Literal("\""), KeyOtherThan(parts_, names, 0)});
    members.other = AddJsonEntry(parts_, key, value);
  }
  const uint64_t needed =
      static_cast<uint64_t>(std::ranges::count(members.named, true, &Members::Member::required));
  // Two entries may have the same name, so entries count as properties only up to one.
  if (members.others && members.least > needed + 1) {
    return RefuseKeyword(path, "minProperties",
                         "above 1 is not supported where names are free: they could be equal");
  }
  const bool counts = members.least > needed || members.most < kEndless;
  if (counts && (members.named.size() > kMaxCounted ||
                 (members.most > kMaxCounted && members.most < kEndless))) {
    return RefuseKeyword(path, members.least > needed ? "minProperties" : "maxProperties",
                         fmt::format("is not supported for more than {} properties", kMaxCounted));
  }
  return {};
}

// Built from the end, by how many properties there are before: whether a comma is needed, and
// whether they are enough or too many.
Part SchemaCompiler::ObjectOf(const Members& members) {
  const Part blank = AddJsonBlank(parts_);
  const Part separator = parts_.Sequence({parts_.Literal(","), blank});
  const Part end = parts_.Sequence({blank, parts_.Literal("}")});
  const uint64_t needed =
      static_cast<uint64_t>(std::ranges::count(members.named, true, &Members::Member::required));
  const bool counts = members.least > needed || members.most < kEndless;
  const size_t states =
      counts ? members.named.size() + 1 : std::min<size_t>(members.named.size(), 1) + 1;
  std::vector<Part> tails(states, parts_.Never());  // by properties before
  for (size_t before = 0; before < states; ++before) {
    if (counts && before > members.most) continue;
    const uint64_t least = counts && members.least > before ? members.least - before : 0;
    const uint64_t most = members.most == kEndless ? kEndless : members.most - before;
    std::vector<Part> choices;
    if (least == 0) choices.push_back(end);
    if (members.others && most > 0) {
      const Part more =
          parts_.Repeat(parts_.Sequence({separator, members.other}), 0,
                        most == kEndless ? kEndless : static_cast<uint32_t>(most - 1));
      choices.push_back(
          parts_.Sequence({before > 0 ? separator : blank, members.other, more, end}));
    }
    tails[before] = parts_.Choice(choices);
  }
  for (size_t i = members.named.size(); i-- > 0;) {
    const auto& [entry, required] = members.named[i];
    std::vector<Part> with(states, parts_.Never());
    for (size_t before = 0; before < states && before <= i; ++before) {
      const size_t after = std::min(before + 1, states - 1);
      const Part here = parts_.Sequence({before > 0 ? separator : blank, entry, tails[after]});
      with[before] = required ? here : parts_.Choice({here, tails[before]});
    }
    tails = std::move(with);
  }
  return parts_.Sequence({parts_.Literal("{"), tails[0]});
}

}  // namespace quire
