#include "grammar/source/schema/disjoint.h"

#include <algorithm>
#include <optional>

namespace quire {
namespace {

constexpr uint32_t kMaxDepth = 3;  // of properties that tell objects apart

// The values a schema lists; nullopt if it does not.
std::optional<SchemaJson> Listed(const SchemaJson& schema) {
  if (schema.contains("const")) return SchemaJson::array({schema["const"]});
  if (schema.contains("enum")) return schema["enum"];
  return std::nullopt;
}

TypeSet Types(const SchemaJson& schema) {
  auto types = TypesOf(schema, "");
  if (!types) return kAllTypes;
  if (const auto listed = Listed(schema)) {
    TypeSet values = 0;
    for (const SchemaJson& value : *listed) values |= TypeOfValue(value);
    *types &= values;
  }
  return *types;
}

bool ListsAreApart(const SchemaJson& a, const SchemaJson& b) {
  const auto left = Listed(a);
  const auto right = Listed(b);
  if (!left || !right) return false;
  return std::none_of(left->begin(), left->end(), [&](const SchemaJson& value) {
    return std::find(right->begin(), right->end(), value) != right->end();
  });
}

bool Requires(const SchemaJson& schema, const std::string& name) {
  const auto required = schema.find("required");
  return required != schema.end() &&
         std::find(required->begin(), required->end(), name) != required->end();
}

const SchemaJson* Property(const SchemaJson& schema, const std::string& name) {
  const auto properties = schema.find("properties");
  if (properties == schema.end()) return nullptr;
  const auto found = properties->find(name);
  return found == properties->end() ? nullptr : &*found;
}

bool WritesOthers(const SchemaJson& schema) {
  const auto others = schema.find("additionalProperties");
  return others == schema.end() ? !schema.contains("properties") : *others != false;
}

// A property that is there and can only fit one of them, or that one needs and the other has not.
bool ObjectsAreApart(const SchemaMerger& merger, const SchemaJson& written, const SchemaJson& other,
                     uint32_t depth) {
  const SchemaJson none = SchemaJson::object();
  const SchemaJson& properties = written.contains("properties") ? written["properties"] : none;
  for (const auto& [name, schema] : properties.items()) {
    const bool closed = other.value("additionalProperties", SchemaJson(true)) == false;
    const SchemaJson* const theirs = Property(other, name);
    if (theirs == nullptr && closed && Requires(written, name)) return true;
    if (theirs == nullptr || (!Requires(written, name) && !Requires(other, name))) continue;
    const auto mine = merger.Flatten(schema, "");
    const auto flat = merger.Flatten(*theirs, "");
    if (mine && flat && NeverSatisfies(merger, *mine, *flat, depth + 1)) return true;
  }
  if (WritesOthers(written) || !other.contains("required")) return false;
  const SchemaJson& required = other["required"];
  return std::any_of(required.begin(), required.end(), [&](const SchemaJson& name) {
    return Property(written, name.get<std::string>()) == nullptr;
  });
}

bool RangesAreApart(const SchemaJson& a, const SchemaJson& b) {
  const auto number = [](const SchemaJson& schema, const char* name) {
    const auto found = schema.find(name);
    return found != schema.end() && found->is_number() ? std::optional(found->get<double>())
                                                       : std::nullopt;
  };
  const auto below = [&](const SchemaJson& low, const SchemaJson& high) {
    for (const char* top : {"maximum", "exclusiveMaximum"}) {
      for (const char* bottom : {"minimum", "exclusiveMinimum"}) {
        const auto last = number(low, top);
        const auto first = number(high, bottom);
        if (!last || !first) continue;
        const bool open = top[0] == 'e' || bottom[0] == 'e';
        if (*last < *first || (open && *last == *first)) return true;
      }
    }
    return false;
  };
  return below(a, b) || below(b, a);
}

}  // namespace

bool NeverSatisfies(const SchemaMerger& merger, const SchemaJson& written, const SchemaJson& other,
                    uint32_t depth) {
  if (depth > kMaxDepth) return false;
  const TypeSet common = Types(written) & Types(other);
  if (common == 0 || ListsAreApart(written, other)) return true;
  if ((common & ~kNumberType) == 0 && RangesAreApart(written, other)) return true;
  return common == kObjectType && ObjectsAreApart(merger, written, other, depth);
}

}  // namespace quire
