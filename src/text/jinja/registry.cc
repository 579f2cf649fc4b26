#include "text/jinja/registry.h"

#include <ctime>
#include <map>

#include "text/jinja/python/error.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/repr.h"

namespace quire::jinja {
namespace {

std::map<std::string_view, FilterFunction> AllFilters() {
  std::map<std::string_view, FilterFunction> all;
  for (const auto* group : {&TextFilters(), &MarkupFilters(), &NumberFilters(), &SequenceFilters(),
                            &SelectionFilters(), &OrderFilters(), &DictFilters()}) {
    for (const NamedFilter& filter : *group) all.emplace(filter.name, filter.function);
  }
  return all;
}

}  // namespace

FilterFunction FindFilter(std::string_view name) {
  static const std::map<std::string_view, FilterFunction> filters = AllFilters();
  const auto found = filters.find(name);
  return found == filters.end() ? nullptr : found->second;
}

FilterFunction RequireFilter(const Value& name) {
  const FilterFunction found = name.is(Kind::kString) ? FindFilter(name.str()) : nullptr;
  if (found == nullptr) Raise(Fault::kRuntime, "No filter named " + Repr(name) + ".");
  return found;
}

TestFunction RequireTest(const Value& name) {
  const TestFunction found = name.is(Kind::kString) ? FindTest(name.str()) : nullptr;
  if (found == nullptr) Raise(Fault::kRuntime, "No test named " + Repr(name) + ".");
  return found;
}

std::string FormatTime(const std::string& format, std::chrono::local_seconds now) {
  const auto day = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{now - day};
  std::tm parts{};
  parts.tm_year = static_cast<int>(date.year()) - 1900;
  parts.tm_mon = static_cast<int>(static_cast<unsigned>(date.month())) - 1;
  parts.tm_mday = static_cast<int>(static_cast<unsigned>(date.day()));
  parts.tm_hour = static_cast<int>(time.hours().count());
  parts.tm_min = static_cast<int>(time.minutes().count());
  parts.tm_sec = static_cast<int>(time.seconds().count());
  parts.tm_wday = static_cast<int>(std::chrono::weekday{day}.c_encoding());
  const auto new_year = std::chrono::local_days{date.year() / std::chrono::January / 1};
  parts.tm_yday = static_cast<int>((day - new_year).count());
  parts.tm_isdst = -1;
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out.push_back(format[i]);
      continue;
    }
    const char field = format[++i];
    if (field == 'f') out += "000000";
    if (field == 'f' || field == 'z' || field == 'Z') continue;  // a time without a zone
    std::string one = {'%', field};
    const bool modified = field == '-' || field == '_' || field == '0' || field == '^' ||
                          field == '#' || field == 'E' || field == 'O';
    if (modified && i + 1 < format.size()) one.push_back(format[++i]);
    char buffer[256];
    out.append(buffer, std::strftime(buffer, sizeof buffer, one.c_str(), &parts));
  }
  return out;
}

}  // namespace quire::jinja
