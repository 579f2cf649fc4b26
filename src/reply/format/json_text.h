// reply/format/json_text.h -- writes what models say without quotes as JSON.
#pragma once

#include <string>
#include <string_view>

namespace quire {

// `text` between the quotes of a JSON string. Of pieces, joined, it is that of the whole.
std::string JsonQuotes(std::string_view text);

std::string JsonString(std::string_view text);

// `text` without the white space around it if that is a JSON value; else all of it as a string.
std::string JsonOrText(const std::string& text);

}  // namespace quire
