#include "apps/flags/flag_values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/Validators.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/size.h"

namespace quire {
namespace {

// The whole of `text` as a T; no sign where T has none, no spaces, no trailing characters.
template <typename T>
bool Parse(const std::string& text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

CLI::Option* Whole(CLI::Option* option, uint64_t least, uint64_t most) {
  const auto check = [least, most](const std::string& text) -> std::string {
    uint64_t value = 0;
    if (Parse(text, value) && value >= least && value <= most) return {};
    return fmt::format("'{}' is not a whole number from {} to {}", text, least, most);
  };
  return option->type_name(kWholeType)->check(check);
}

CLI::Option* Real(CLI::Option* option, double least, double most) {
  const auto check = [least, most](const std::string& text) -> std::string {
    double value = 0;
    if (Parse(text, value) && value >= least && value <= most) return {};  // NaN is neither
    return fmt::format("'{}' is not a number from {} to {}", text, least, most);
  };
  return option->type_name(kRealType)->check(check);
}

CLI::Option* Size(CLI::Option* option, uint64_t least_bytes, bool allow_auto) {
  const auto check = [=](const std::string& text) -> std::string {
    if (allow_auto && text == "auto") return {};
    const auto bytes = ParseSize(text);
    if (!bytes) return bytes.error().message;
    if (*bytes >= least_bytes) return {};
    return fmt::format("'{}' is less than {}", text, FormatSize(least_bytes));
  };
  return option->type_name(kSizeType)->check(check);
}

CLI::Option* OneOf(CLI::Option* option, std::vector<std::string> values) {
  const std::string choices = fmt::format("{}", fmt::join(values, "|"));
  const auto check = [values, choices](const std::string& text) -> std::string {
    if (std::ranges::find(values, text) != values.end()) return {};
    return fmt::format("'{}' is none of {}", text, choices);
  };
  return option->type_name(choices)->check(check);
}

}  // namespace quire
