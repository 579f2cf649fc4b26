// text/jinja/registry.h -- the filters, tests and global functions that every template can use.
//
// These are jinja2's own, with what transformers adds or replaces. A filter or test gets its
// subject as the first positional argument.
#pragma once

#include <chrono>
#include <string_view>
#include <vector>

#include "text/jinja/python/value.h"

namespace quire::jinja {

using FilterFunction = Value (*)(const Arguments& arguments);
using TestFunction = bool (*)(const Arguments& arguments);

FilterFunction FindFilter(std::string_view name);  // null if there is none
TestFunction FindTest(std::string_view name);

// The same by a Value that should be a name, as map() and select() take it; raises if unknown.
FilterFunction RequireFilter(const Value& name);
TestFunction RequireTest(const Value& name);

struct NamedFilter {
  std::string_view name;
  FilterFunction function;
};
// The filters by what they deal with; FindFilter searches them all.
const std::vector<NamedFilter>& TextFilters();
const std::vector<NamedFilter>& MarkupFilters();
const std::vector<NamedFilter>& NumberFilters();
const std::vector<NamedFilter>& SequenceFilters();
const std::vector<NamedFilter>& SelectionFilters();
const std::vector<NamedFilter>& OrderFilters();
const std::vector<NamedFilter>& DictFilters();

// strftime as Python's on a time without a zone.
std::string FormatTime(const std::string& format, std::chrono::local_seconds now);

}  // namespace quire::jinja
