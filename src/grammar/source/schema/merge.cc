#include "grammar/source/schema/merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace quire {
namespace {

constexpr uint32_t kMaxDepth = 64;         // of $ref and allOf in each other
constexpr uint32_t kMaxFlattened = 20000;  // schemas with $ref or allOf, of one root
constexpr size_t kMaxAlternatives = 256;   // of two anyOf multiplied

SchemaJson Nothing() { return {{"type", SchemaJson::array()}}; }

// "a~1b%20c" -> "a/b c"
std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    if (rest.starts_with("~0") || rest.starts_with("~1")) {
      out += rest[1] == '0' ? '~' : '/';
      i += 1;
    } else if (rest[0] == '%' && rest.size() > 2 && std::isxdigit(static_cast<uint8_t>(rest[1])) &&
               std::isxdigit(static_cast<uint8_t>(rest[2]))) {
      out += static_cast<char>(std::stoul(std::string(rest.substr(1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += rest[0];
    }
  }
  return out;
}

bool Contains(const SchemaJson& list, const SchemaJson& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

SchemaJson Intersection(const SchemaJson& a, const SchemaJson& b) {
  SchemaJson both = SchemaJson::array();
  for (const SchemaJson& value : a) {
    if (Contains(b, value)) both.push_back(value);
  }
  return both;
}

SchemaJson AsList(const SchemaJson& value) {
  return value.is_array() ? value : SchemaJson::array({value});
}

// Names of types that both lists leave; an integer is a number.
SchemaJson CommonTypes(const SchemaJson& a, const SchemaJson& b) {
  SchemaJson both = SchemaJson::array();
  for (const SchemaJson& type : AsList(a)) {
    const SchemaJson list = AsList(b);
    if (Contains(list, type) || (type == "integer" && Contains(list, "number"))) {
      both.push_back(type);
    } else if (type == "number" && Contains(list, "integer")) {
      both.push_back("integer");
    }
  }
  return both;
}

bool IsOneOf(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

SchemaJson Both(const SchemaJson& a, const SchemaJson& b) {
  return a == b ? a : SchemaJson{{"allOf", SchemaJson::array({a, b})}};
}

// Properties that `closed` does not name must be as it says of such, and as they are.
void BindUnnamed(const SchemaJson& closed, SchemaJson& open) {
  const SchemaJson others = closed.value("additionalProperties", SchemaJson(true));
  const auto properties = open.find("properties");
  if (others == true || others.empty() || properties == open.end()) return;
  const auto named = closed.find("properties");
  SchemaJson kept = SchemaJson::object();
  for (const auto& [name, schema] : properties->items()) {
    if (named != closed.end() && named->contains(name)) {
      kept[name] = schema;
    } else if (others != false) {
      kept[name] = Both(schema, others);
    }
  }
  *properties = std::move(kept);
}

// Whether `items` speaks of all items in one and of those behind the first ones in the other.
bool ItemsDiffer(const SchemaJson& a, const SchemaJson& b) {
  const auto has_first = [](const SchemaJson& schema) {
    return schema.contains("prefixItems") ||
           (schema.contains("items") && schema["items"].is_array());
  };
  return has_first(a) != has_first(b) && (has_first(a) ? b : a).contains("items");
}

}  // namespace

Result<const SchemaJson*> SchemaMerger::Resolve(const SchemaJson& ref,
                                                const std::string& path) const {
  const std::string& text = ref.get_ref<const std::string&>();
  if (text != "#" && !text.starts_with("#/")) {
    return RefuseKeyword(path, "$ref", "can only point into the same schema (\"#/...\")");
  }
  const SchemaJson* at = &root_;
  std::string_view rest = std::string_view(text).substr(1);
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const size_t slash = std::min(rest.find('/'), rest.size());
    const std::string name = Unescape(rest.substr(0, slash));
    rest.remove_prefix(slash);
    const bool index = at->is_array() && !name.empty() && name.size() < 6 &&
                       std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
    if (at->is_object() && at->contains(name)) {
      at = &(*at)[name];
    } else if (index && std::stoul(name) < at->size()) {
      at = &(*at)[std::stoul(name)];
    } else {
      return RefuseKeyword(path, "$ref", fmt::format("points to nothing: {}", text));
    }
  }
  if (at->is_object() || at->is_boolean()) return at;
  return RefuseKeyword(path, "$ref", fmt::format("points to what is no schema: {}", text));
}

Result<SchemaJson> SchemaMerger::Flatten(const SchemaJson& schema, const std::string& path,
                                         uint32_t depth) const {
  if (schema.is_boolean()) return schema.get<bool>() ? SchemaJson::object() : Nothing();
  if (const Status known = CheckKeywords(schema, path); !known) {
    return std::unexpected(known.error());
  }
  if (!schema.contains("$ref") && !schema.contains("allOf")) return schema;
  if (depth > kMaxDepth || ++num_flattened_ > kMaxFlattened) {
    return RefuseKeyword(path, schema.contains("$ref") ? "$ref" : "allOf",
                         "is nested too deep or too often, or contains itself");
  }
  SchemaJson flat = SchemaJson::object();
  if (schema.contains("$ref")) {
    QUIRE_TRY(const SchemaJson* const target, Resolve(schema["$ref"], path));
    QUIRE_TRY(flat, Flatten(*target, path + ".$ref", depth + 1));
  }
  SchemaJson own = schema;
  own.erase("$ref");
  own.erase("allOf");
  QUIRE_TRY(flat, Merge(flat, own, path));
  if (!schema.contains("allOf")) return flat;
  const SchemaJson& all = schema["allOf"];
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string place = fmt::format("{}.allOf[{}]", path, i);
    QUIRE_TRY(const SchemaJson one, Flatten(all[i], place, depth + 1));
    QUIRE_TRY(flat, Merge(flat, one, place));
  }
  return flat;
}

Result<SchemaJson> SchemaMerger::Merge(const SchemaJson& left, const SchemaJson& right,
                                       const std::string& path) const {
  SchemaJson merged = left;
  SchemaJson other = right;
  if (ItemsDiffer(left, right)) {
    return RefuseKeyword(path, "items", "cannot be combined with a list of first items in allOf");
  }
  BindUnnamed(left, other);
  BindUnnamed(right, merged);
  for (const auto& [keyword, value] : other.items()) {
    if (!merged.contains(keyword)) {
      merged[keyword] = value;
    } else if (merged[keyword] != value && !IsAnnotation(keyword)) {
      const Status combined = Combine(keyword, value, merged, path);
      if (!combined) return std::unexpected(combined.error());
    }
  }
  return merged;
}

Status SchemaMerger::Combine(const std::string& keyword, const SchemaJson& value, SchemaJson& into,
                             const std::string& path) const {
  SchemaJson& mine = into[keyword];
  if (keyword == "type") {
    mine = CommonTypes(mine, value);
  } else if (keyword == "enum") {
    mine = Intersection(mine, value);
  } else if (keyword == "const") {
    into["type"] = SchemaJson::array();
  } else if (keyword == "required") {
    for (const SchemaJson& name : value) {
      if (!Contains(mine, name)) mine.push_back(name);
    }
  } else if (keyword == "properties") {
    for (const auto& [name, schema] : value.items()) {
      mine[name] = mine.contains(name) ? Both(mine[name], schema) : schema;
    }
  } else if (keyword == "items" && !mine.is_array() && !value.is_array()) {
    mine = Both(mine, value);
  } else if (keyword == "additionalProperties") {
    mine = mine == false || value == false ? SchemaJson(false) : Both(mine, value);
  } else if (keyword == "nullable" || keyword == "uniqueItems") {
    mine = keyword == "nullable" ? mine == true && value == true : mine == true || value == true;
  } else if (IsOneOf(keyword,
                     {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}) &&
             mine.is_number() && value.is_number()) {
    mine = std::max(mine, value);
  } else if (IsOneOf(keyword,
                     {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}) &&
             mine.is_number() && value.is_number()) {
    mine = std::min(mine, value);
  } else if (keyword == "pattern") {
    into["$patterns"].push_back(value);
  } else if (keyword == "anyOf" && mine.size() * value.size() <= kMaxAlternatives) {
    SchemaJson product = SchemaJson::array();
    for (const SchemaJson& a : mine) {
      for (const SchemaJson& b : value) product.push_back(Both(a, b));
    }
    mine = std::move(product);
  } else {
    return RefuseKeyword(path, keyword, "cannot be combined with another one of its kind in allOf");
  }
  return {};
}

}  // namespace quire
