// text/jinja/wrap.h -- breaking text into lines: textwrap.wrap and pprint.pformat.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/python/value.h"

namespace quire::jinja {

struct WrapStyle {
  size_t width;
  bool break_long_words;
  bool break_on_hyphens;
};

// textwrap.wrap(line) with tabs and white space left as they are.
std::vector<std::string> WrapLine(std::string_view line, const WrapStyle& style);

// pprint.pformat(value) at its width of 80; dicts sorted by key.
std::string PrettyRepr(const Value& value);

}  // namespace quire::jinja
