// text/jinja/python/format.h -- Python's two ways to fill in a text: '%s' % x and '{}'.format(x).
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/python/value.h"

namespace quire::jinja {

// format % values: a tuple gives several, a dict named ones, anything else one.
Value FormatPercent(const Value& format, const Value& values);

// format.format(*positional, **named), with the sandbox's access to attributes and items.
std::string FormatBraces(const std::string& format, const Arguments& arguments);

// The fields that both share: [[fill]align][sign][#][0][width][,][.precision][type].
struct FormatSpec {
  std::string fill = " ";
  char align = 0;  // < > = ^, 0: the type's own
  char sign = 0;   // + - or space, 0: not given
  bool alternate = false;
  char thousands = 0;  // , or _
  Int width = 0;
  Int precision = -1;
  char type = 0;
};
std::string FormatFloat(double value, const FormatSpec& spec);  // digits only: no sign, no padding
std::string FormatInteger(Int value, char type);                // magnitude in base of d x X o b
std::string Pad(std::string sign, std::string body, const FormatSpec& spec);

}  // namespace quire::jinja
