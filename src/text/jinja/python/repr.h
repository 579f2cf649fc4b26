// text/jinja/python/repr.h -- how Python writes values down: str(), repr(), and type names.
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/python/value.h"

namespace quire::jinja {

std::string Str(const Value& value);
std::string Repr(const Value& value);
std::string ReprText(std::string_view text);
std::string ReprFloat(double value);  // the shortest that reads back: 1.0, 1e+16, nan
std::string ReprInt(Int value);
std::string ReprDict(const Dict& dict);

std::string TypeName(const Value& value);        // type(value).__name__
std::string ObjectTypeName(const Value& value);  // as undefined messages say it: "list object"

}  // namespace quire::jinja
