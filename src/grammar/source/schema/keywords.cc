#include "grammar/source/schema/keywords.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace quire {
namespace {

enum class Shape : uint8_t {
  kAny,
  kSchema,     // an object or a boolean
  kSchemas,    // a list of them, not empty
  kSchemaMap,  // an object of them
  kItems,      // a schema, or a list of them as in older drafts
  kText,
  kTextList,
  kCount,  // a whole number, not negative
  kNumber,
  kList,
  kBoolean,
};

struct Keyword {
  std::string_view name;
  Shape shape;
  TypeSet types = 0;  // 0: about all
};

constexpr auto kKeywords = std::to_array<Keyword>({
    {"type", Shape::kAny},
    {"enum", Shape::kList},
    {"const", Shape::kAny},
    {"anyOf", Shape::kSchemas},
    {"oneOf", Shape::kSchemas},
    {"allOf", Shape::kSchemas},
    {"$ref", Shape::kText},
    {"$defs", Shape::kSchemaMap},
    {"definitions", Shape::kSchemaMap},
    {"nullable", Shape::kBoolean},
    {"discriminator", Shape::kAny},
    {"properties", Shape::kSchemaMap, kObjectType},
    {"required", Shape::kTextList, kObjectType},
    {"additionalProperties", Shape::kSchema, kObjectType},
    {"minProperties", Shape::kCount, kObjectType},
    {"maxProperties", Shape::kCount, kObjectType},
    {"items", Shape::kItems, kArrayType},
    {"prefixItems", Shape::kSchemas, kArrayType},
    {"additionalItems", Shape::kSchema, kArrayType},
    {"minItems", Shape::kCount, kArrayType},
    {"maxItems", Shape::kCount, kArrayType},
    {"uniqueItems", Shape::kBoolean, kArrayType},
    {"minLength", Shape::kCount, kStringType},
    {"maxLength", Shape::kCount, kStringType},
    {"pattern", Shape::kText, kStringType},
    {"$patterns", Shape::kTextList, kStringType},  // several, from allOf
    {"format", Shape::kText, kStringType},
    {"minimum", Shape::kNumber, kNumberType},
    {"maximum", Shape::kNumber, kNumberType},
    {"exclusiveMinimum", Shape::kAny, kNumberType},  // a boolean in draft 4
    {"exclusiveMaximum", Shape::kAny, kNumberType},
    {"multipleOf", Shape::kNumber, kNumberType},
});

constexpr auto kAnnotations = std::to_array<std::string_view>(
    {"title",        "description", "default",     "examples",         "example",
     "deprecated",   "readOnly",    "writeOnly",   "$comment",         "$id",
     "$schema",      "id",          "$vocabulary", "contentMediaType", "contentEncoding",
     "externalDocs", "xml",         "strict",      "discriminator",    "$defs",
     "definitions"});

bool IsCount(const SchemaJson& value) {
  if (value.is_number_integer()) return value >= 0;
  if (!value.is_number_float()) return false;
  const double number = value.get<double>();
  return number >= 0 && number < 1e15 && std::trunc(number) == number;
}

bool IsSchema(const SchemaJson& value) { return value.is_object() || value.is_boolean(); }

// What the value should have been; empty if it is that.
std::string_view Mistake(const SchemaJson& value, Shape shape) {
  const auto all = [&](const auto& is) { return std::all_of(value.begin(), value.end(), is); };
  const auto is_text = [](const SchemaJson& item) { return item.is_string(); };
  switch (shape) {
    case Shape::kAny:
      return {};
    case Shape::kSchema:
      return IsSchema(value) ? "" : "must be a schema";
    case Shape::kItems:
      if (IsSchema(value)) return {};
      return value.is_array() && all(IsSchema) ? "" : "must be a schema";
    case Shape::kSchemas:
      return value.is_array() && !value.empty() && all(IsSchema) ? "" : "must be a list of schemas";
    case Shape::kSchemaMap:
      return value.is_object() && all(IsSchema) ? "" : "must be an object of schemas";
    case Shape::kText:
      return value.is_string() ? "" : "must be a string";
    case Shape::kTextList:
      return value.is_array() && all(is_text) ? "" : "must be a list of strings";
    case Shape::kCount:
      return IsCount(value) ? "" : "must be a whole number, not negative";
    case Shape::kNumber:
      return value.is_number() ? "" : "must be a number";
    case Shape::kList:
      return value.is_array() && !value.empty() ? "" : "must be a list that is not empty";
    case Shape::kBoolean:
      return value.is_boolean() ? "" : "must be true or false";
  }
  return {};
}

Result<TypeSet> TypeNamed(const SchemaJson& name, const std::string& path) {
  constexpr std::pair<std::string_view, TypeSet> kTypes[] = {
      {"null", kNullType},     {"boolean", kBooleanType}, {"integer", kIntegerType},
      {"number", kNumberType}, {"string", kStringType},   {"array", kArrayType},
      {"object", kObjectType}};
  for (const auto& [known, type] : kTypes) {
    if (name == known) return type;
  }
  return RefuseKeyword(path, "type",
                       "must be null, boolean, integer, number, string, array or object, or a list "
                       "of these");
}

}  // namespace

std::unexpected<Error> RefuseKeyword(const std::string& path, std::string_view keyword,
                                     const std::string& why) {
  const std::string place = fmt::format("{}.{}", path, keyword);
  return Refuse(ErrorCode::kInvalidArgument, fmt::format("'{}' {}", place, why), place);
}

bool IsAnnotation(std::string_view keyword) {
  return keyword.starts_with("x-") ||
         std::ranges::find(kAnnotations, keyword) != kAnnotations.end();
}

Status CheckKeywords(const SchemaJson& schema, const std::string& path) {
  for (const auto& [name, value] : schema.items()) {
    const auto known = std::ranges::find(kKeywords, name, &Keyword::name);
    if (known == kKeywords.end()) {
      if (IsAnnotation(name)) continue;
      auto refused = RefuseKeyword(path, name, "is a keyword that is not supported");
      refused.error().code = ErrorCode::kUnsupported;
      return refused;
    }
    const std::string_view mistake = Mistake(value, known->shape);
    if (!mistake.empty()) return RefuseKeyword(path, name, std::string(mistake));
  }
  return {};
}

Result<TypeSet> TypesOf(const SchemaJson& schema, const std::string& path) {
  const auto type = schema.find("type");
  TypeSet types = type == schema.end() ? kAllTypes : 0;
  if (type != schema.end() && type->is_array()) {
    for (const SchemaJson& name : *type) {
      QUIRE_TRY(const TypeSet one, TypeNamed(name, path));
      types |= one;
    }
  } else if (type != schema.end()) {
    QUIRE_TRY(types, TypeNamed(*type, path));
  }
  if (schema.value("nullable", false)) types |= kNullType;
  return types;
}

TypeSet TypeOfValue(const SchemaJson& value) {
  if (value.is_null()) return kNullType;
  if (value.is_boolean()) return kBooleanType;
  if (value.is_string()) return kStringType;
  if (value.is_array()) return kArrayType;
  if (value.is_object()) return kObjectType;
  if (value.is_number_integer()) return kIntegerType;
  const double number = value.get<double>();
  return std::trunc(number) == number ? kIntegerType : kFractionType;
}

bool SpeaksOf(const SchemaJson& schema, TypeSet type) {
  return std::ranges::any_of(kKeywords, [&](const Keyword& keyword) {
    return (keyword.types & type) != 0 && schema.contains(keyword.name);
  });
}

}  // namespace quire
