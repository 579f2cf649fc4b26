// text/jinja/python/search.h -- the text searches that methods and filters share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/python/value.h"

namespace quire::jinja {

// text.strip(chars) at the ends asked for; without chars (kMissing or None), white space.
std::string_view Strip(std::string_view text, const Value& chars, bool left, bool right);

// text.replace(old, with, count); a negative count replaces all.
std::string Replace(std::string_view text, std::string_view old, std::string_view with, Int count);

// text.split(separator, limit) or rsplit; without a separator, at runs of white space.
std::vector<std::string> Split(std::string_view text, const Value& separator, Int limit);
std::vector<std::string> SplitRight(std::string_view text, const Value& separator, Int limit);

std::vector<std::string> SplitLines(std::string_view text, bool keep_ends);

}  // namespace quire::jinja
