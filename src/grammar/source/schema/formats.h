// grammar/source/schema/formats.h -- the values of the keyword `format` that have a pattern.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace quire {

// A regular expression of the whole string (regex.h); nullopt for formats that are not known.
std::optional<std::string> PatternOfFormat(std::string_view format);

// Formats that say nothing a string could break.
bool IsLooseFormat(std::string_view format);

}  // namespace quire
