#include "grammar/source/schema/compiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "grammar/source/json_schema.h"
#include "grammar/source/json_text.h"
#include "grammar/source/schema/disjoint.h"

namespace quire {
namespace {

constexpr uint32_t kMaxSchemas = 5000;     // read, copies included
constexpr uint32_t kMaxReadInPlace = 500;  // schemas read before $refs are only called

constexpr size_t kMaxOneOf = 64;  // each is compared with each

bool OnlyRefers(const SchemaJson& schema) {
  return schema.is_object() && schema.contains("$ref") &&
         std::ranges::all_of(schema.items(), [](const auto& item) {
           return item.key() == "$ref" || IsAnnotation(item.key());
         });
}

bool SaysNothing(const SchemaJson& schema) {
  return std::ranges::all_of(schema.items(),
                             [](const auto& item) { return IsAnnotation(item.key()); });
}

// What makes alternatives different must be there: `discriminator` names it.
void RequireDiscriminator(const SchemaJson& discriminator, SchemaJson& alternative) {
  if (!discriminator.is_object() || !discriminator.contains("propertyName")) return;
  const SchemaJson& name = discriminator["propertyName"];
  if (!name.is_string() || !alternative.contains("properties") ||
      !alternative["properties"].contains(name.get<std::string>())) {
    return;
  }
  SchemaJson& required = alternative["required"];
  if (!required.is_array()) required = SchemaJson::array();
  if (std::find(required.begin(), required.end(), name) == required.end()) {
    required.push_back(name);
  }
}

// Whether a listed value satisfies the bounds beside it.
bool WithinBounds(const SchemaJson& value, const SchemaJson& schema) {
  if (!value.is_number()) return true;
  const double number = value.get<double>();
  const auto bound = [&](const char* name, double otherwise) {
    return schema.contains(name) && schema[name].is_number() ? schema[name].get<double>()
                                                             : otherwise;
  };
  return number >= bound("minimum", number) && number <= bound("maximum", number) &&
         number > bound("exclusiveMinimum", number - 1) &&
         number < bound("exclusiveMaximum", number + 1);
}

}  // namespace

Result<Part> SchemaCompiler::Any(const SchemaJson& schema, const std::string& path, bool alone) {
  if (++num_schemas_ > kMaxSchemas) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("'{}': the schema is too large; at most {} schemas, with those that "
                              "are repeated, can be inside each other",
                              path, kMaxSchemas),
                  path);
  }
  if (OnlyRefers(schema)) {
    if (const Status known = CheckKeywords(schema, path); !known) {
      return std::unexpected(known.error());
    }
    return Referred(schema["$ref"], path, alone);
  }
  QUIRE_TRY(const SchemaJson flat, merger_.Flatten(schema, path));
  return Flat(flat, path, alone);
}

Result<Part> SchemaCompiler::Referred(const SchemaJson& ref, const std::string& path, bool alone) {
  const std::string name = ref.get<std::string>();
  QUIRE_TRY(const SchemaJson* const target, merger_.Resolve(ref, path));
  if (!alone && !inside_.contains(name) && num_schemas_ < kMaxReadInPlace) {
    inside_.insert(name);
    auto part = Any(*target, path, false);
    inside_.erase(name);
    return part;
  }
  if (const auto known = rules_.find(name); known != rules_.end()) return known->second;
  const Part rule = parts_.NewRule("$ref " + name);
  rules_.emplace(name, rule);
  QUIRE_TRY(const Part body, Any(*target, path, false));
  parts_.Define(rule, body);
  return rule;
}

Result<Part> SchemaCompiler::Flat(const SchemaJson& schema, const std::string& path, bool alone) {
  for (const char* keyword : {"anyOf", "oneOf"}) {
    if (schema.contains(keyword)) return Alternatives(schema, keyword, path);
  }
  if (SaysNothing(schema)) return AddJsonValue(parts_);
  QUIRE_TRY(const TypeSet types, TypesOf(schema, path));
  if (schema.contains("enum") || schema.contains("const")) return Listed(schema, types, path);
  return OfTypes(schema, types, path, alone);
}

Result<Part> SchemaCompiler::Alternatives(const SchemaJson& schema, const char* keyword,
                                          const std::string& path) {
  SchemaJson base = schema;
  const SchemaJson alternatives = base[keyword];
  base.erase(keyword);
  const SchemaJson discriminator = base.value("discriminator", SchemaJson());
  if (std::string_view(keyword) == "oneOf") {
    const Status apart = CheckOneOf(base, alternatives, path);
    if (!apart) return std::unexpected(apart.error());
  }
  const bool plain = SaysNothing(base) && discriminator.is_null();
  std::vector<Part> choices;
  for (size_t i = 0; i < alternatives.size(); ++i) {
    const std::string place = fmt::format("{}.{}[{}]", path, keyword, i);
    if (plain) {
      QUIRE_TRY(const Part part, Any(alternatives[i], place, false));
      choices.push_back(part);
      continue;
    }
    QUIRE_TRY(SchemaJson flat, merger_.Flatten(alternatives[i], place));
    RequireDiscriminator(discriminator, flat);
    QUIRE_TRY(flat, merger_.Merge(flat, base, place));
    QUIRE_TRY(const Part part, Any(flat, place, false));
    choices.push_back(part);
  }
  return parts_.Choice(choices);
}

Status SchemaCompiler::CheckOneOf(const SchemaJson& base, const SchemaJson& alternatives,
                                  const std::string& path) {
  if (alternatives.size() > kMaxOneOf) {
    return RefuseKeyword(path, "oneOf",
                         fmt::format("has more than {} alternatives; use anyOf", kMaxOneOf));
  }
  std::vector<SchemaJson> flat;
  for (size_t i = 0; i < alternatives.size(); ++i) {
    QUIRE_TRY(SchemaJson one,
              merger_.Flatten(alternatives[i], fmt::format("{}.oneOf[{}]", path, i)));
    RequireDiscriminator(base.value("discriminator", SchemaJson()), one);
    QUIRE_TRY(one, merger_.Merge(one, base, path));
    flat.push_back(std::move(one));
  }
  for (size_t i = 0; i < flat.size(); ++i) {
    for (size_t j = 0; j < flat.size(); ++j) {
      if (i == j || NeverSatisfies(merger_, flat[i], flat[j])) continue;
      return RefuseKeyword(path, "oneOf",
                           fmt::format("is refused, because a value of alternative {} may satisfy "
                                       "alternative {} too; use anyOf, or a property with a const "
                                       "that is required",
                                       i, j));
    }
  }
  return {};
}

Result<Part> SchemaCompiler::Listed(const SchemaJson& schema, TypeSet types,
                                    const std::string& path) {
  SchemaJson values = schema.contains("enum") ? schema["enum"] : SchemaJson::array();
  if (schema.contains("const")) {
    const SchemaJson& only = schema["const"];
    const bool fits =
        !schema.contains("enum") || std::find(values.begin(), values.end(), only) != values.end();
    values = fits ? SchemaJson::array({only}) : SchemaJson::array();
  }
  for (const auto& [name, value] : schema.items()) {
    const bool known = name == "enum" || name == "const" || name == "type" || name == "nullable" ||
                       name == "minimum" || name == "maximum" || IsAnnotation(name) ||
                       (name.starts_with("exclusiveM") && value.is_number());
    if (!known) return RefuseKeyword(path, name, "is not supported beside enum or const");
  }
  std::vector<Part> choices;
  for (const SchemaJson& value : values) {
    if ((TypeOfValue(value) & types) == 0 || !WithinBounds(value, schema)) continue;
    choices.push_back(parts_.Literal(value.dump()));
  }
  return parts_.Choice(choices);
}

Result<Part> SchemaCompiler::OfTypes(const SchemaJson& schema, TypeSet types,
                                     const std::string& path, bool alone) {
  // Without a type, keywords of one kind mean that kind.
  if (!schema.contains("type")) {
    TypeSet spoken = 0;
    for (TypeSet type = 1; type < kAllTypes; type <<= 1) {
      if (SpeaksOf(schema, type)) spoken |= type;
    }
    if (spoken != 0) types &= spoken | (schema.value("nullable", false) ? kNullType : 0);
  }
  std::vector<Part> choices;
  const auto add = [&](Result<Part> part) -> Status {
    if (!part) return std::unexpected(part.error());
    choices.push_back(*part);
    return {};
  };
  Status done;
  if (types & kObjectType) done = add(Object(schema, path));
  if (done && (types & kArrayType)) done = add(Array(schema, path));
  if (done && (types & kStringType)) done = add(AddSchemaString(parts_, schema, path));
  if (done && (types & kNumberType)) {
    done = add(AddSchemaNumber(parts_, schema, (types & kFractionType) == 0, path));
  }
  if (!done) return std::unexpected(done.error());
  if (types & kBooleanType)
    choices.insert(choices.end(), {parts_.Literal("true"), parts_.Literal("false")});
  if (types & kNullType) choices.push_back(parts_.Literal("null"));
  const Part part = parts_.Choice(choices);
  return alone && (types & (kObjectType | kArrayType)) ? InRule(part, path) : part;
}

Part SchemaCompiler::InRule(Part part, const std::string& path) {
  const Part rule = parts_.NewRule(path);
  parts_.Define(rule, part);
  return rule;
}

Result<Part> SchemaCompiler::Array(const SchemaJson& schema, const std::string& path) {
  if (schema.value("uniqueItems", false) && schema.value("maxItems", uint64_t{2}) > 1) {
    return RefuseKeyword(path, "uniqueItems", "is not supported");
  }
  const bool old = schema.contains("items") && schema["items"].is_array();
  const SchemaJson none;
  const SchemaJson first = old ? schema["items"] : schema.value("prefixItems", none);
  const SchemaJson more = schema.value(old ? "additionalItems" : "items", none);
  const uint64_t least = schema.value("minItems", uint64_t{0});
  const uint64_t most = schema.value("maxItems", uint64_t{kEndless});
  std::vector<Part> firsts;
  for (size_t i = 0; i < first.size() && i < most; ++i) {
    const std::string place = fmt::format("{}.{}[{}]", path, old ? "items" : "prefixItems", i);
    QUIRE_TRY(const Part part, Any(first[i], place, true));
    firsts.push_back(part);
  }
  // Behind the first ones others come only where they are asked for.
  const bool others = more != false && (!more.is_null() || firsts.empty() || least > firsts.size());
  if (least > most || (!others && least > firsts.size())) return parts_.Never();
  Part rest = parts_.Never();
  if (others) {
    QUIRE_TRY(rest, Any(more.is_null() ? SchemaJson(true) : more,
                        path + (old ? ".additionalItems" : ".items"), true));
  }
  return ArrayOf({.first = std::move(firsts),
                  .rest = rest,
                  .others = others,
                  .least = static_cast<uint32_t>(std::min<uint64_t>(least, kEndless - 1)),
                  .most = static_cast<uint32_t>(std::min<uint64_t>(most, kEndless))});
}

// Built from the end: each of the first items may be the last one if that makes enough.
Part SchemaCompiler::ArrayOf(const Items& items) {
  const Part blank = AddJsonBlank(parts_);
  if (items.first.empty())
    return AddJsonList(parts_, items.rest, {'[', ']', items.least, items.most});
  const uint32_t firsts = static_cast<uint32_t>(items.first.size());
  const Part separator = parts_.Sequence({parts_.Literal(","), blank});
  const Part end = parts_.Sequence({blank, parts_.Literal("]")});
  Part tail = end;
  if (items.others && items.most > firsts) {
    const uint32_t least = items.least > firsts ? items.least - firsts : 0;
    const uint32_t most = items.most == kEndless ? kEndless : items.most - firsts;
    tail = parts_.Sequence(
        {parts_.Repeat(parts_.Sequence({separator, items.rest}), least, most), end});
  }
  for (uint32_t i = firsts; i-- > 0;) {
    const Part here = parts_.Sequence({i > 0 ? separator : blank, items.first[i], tail});
    tail = items.least <= i ? parts_.Choice({here, end}) : here;
  }
  return parts_.Sequence({parts_.Literal("["), tail});
}

Result<Part> AddJsonSchema(Parts& parts, const SchemaJson& schema, const std::string& path) {
  if (!schema.is_object() && !schema.is_boolean()) {
    return Refuse(ErrorCode::kInvalidArgument, fmt::format("'{}' must be a schema", path), path);
  }
  return SchemaCompiler(parts, schema).Root(path);
}

}  // namespace quire
