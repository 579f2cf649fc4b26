// server/openai/fresh_id.h -- names for answers, and for the calls that a model makes.
#pragma once

#include <string>
#include <string_view>

namespace quire {

// `prefix` and 24 letters and digits that nobody had before. Any thread.
std::string FreshId(std::string_view prefix);

}  // namespace quire
