// grammar/source/schema/keywords.h -- which keywords of JSON Schema exist here, and how to refuse.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace quire {

using SchemaJson = nlohmann::ordered_json;

// The seven types, as bits; an integer is a number too.
using TypeSet = uint32_t;
inline constexpr TypeSet kNullType = 1;
inline constexpr TypeSet kBooleanType = 2;
inline constexpr TypeSet kIntegerType = 4;
inline constexpr TypeSet kFractionType = 8;  // numbers that are no integers
inline constexpr TypeSet kNumberType = kIntegerType | kFractionType;
inline constexpr TypeSet kStringType = 16;
inline constexpr TypeSet kArrayType = 32;
inline constexpr TypeSet kObjectType = 64;
inline constexpr TypeSet kAllTypes = 127;

// Says nothing about what is valid.
bool IsAnnotation(std::string_view keyword);

// Refuses what is not known, and what is known but cannot be kept, naming it; checks the kinds of
// values of those that are. `schema` is an object.
Status CheckKeywords(const SchemaJson& schema, const std::string& path);

// The types that `type` (and `nullable`) leave; all of them without.
Result<TypeSet> TypesOf(const SchemaJson& schema, const std::string& path);
TypeSet TypeOfValue(const SchemaJson& value);

// Whether there is any keyword about values of this type, apart from `type`.
bool SpeaksOf(const SchemaJson& schema, TypeSet type);

// The keyword `keyword` at `path` is refused.
std::unexpected<Error> RefuseKeyword(const std::string& path, std::string_view keyword,
                                     const std::string& why);

}  // namespace quire
