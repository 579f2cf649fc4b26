#include "base/size.h"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <optional>

namespace quire {
namespace {

__extension__ using Uint128 = unsigned __int128;

struct Unit {
  std::string_view name;
  std::string_view short_name;
  uint64_t bytes;
};
constexpr std::array<Unit, 4> kUnits = {
    {{"TiB", "T", kTiB}, {"GiB", "G", kGiB}, {"MiB", "M", kMiB}, {"KiB", "K", kKiB}}};

// Enough for one byte in a TiB; more digits cannot change the result.
constexpr int kMaxFractionDigits = 13;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; };
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

std::optional<uint64_t> UnitBytes(std::string_view unit) {
  if (unit.empty() || EqualIgnoringCase(unit, "B")) return 1;
  for (const Unit& u : kUnits) {
    if (EqualIgnoringCase(unit, u.name) || EqualIgnoringCase(unit, u.short_name)) return u.bytes;
  }
  return std::nullopt;
}

std::unexpected<Error> RefuseText(std::string_view text, std::string_view why) {
  return Refuse(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is not a size: {} (write e.g. 256MiB or 1.5GiB)", text, why));
}

}  // namespace

Result<uint64_t> ParseSize(std::string_view text) {
  constexpr auto kMax = std::numeric_limits<uint64_t>::max();
  // value = digits / scale, exact in 128 bits: digits < 2^64 * 10^13.
  Uint128 digits = 0;
  Uint128 scale = 1;
  size_t i = 0;
  for (; i < text.size() && IsDigit(text[i]); ++i) {
    digits = digits * 10 + static_cast<unsigned>(text[i] - '0');
    if (digits > kMax) return RefuseText(text, "it is too large");
  }
  if (i == 0) return RefuseText(text, "it does not begin with a digit");
  if (i < text.size() && text[i] == '.') {
    const size_t first = ++i;
    for (; i < text.size() && IsDigit(text[i]); ++i) {
      if (i - first >= kMaxFractionDigits) continue;
      digits = digits * 10 + static_cast<unsigned>(text[i] - '0');
      scale *= 10;
    }
    if (i == first) return RefuseText(text, "digits are missing after the point");
  }
  if (i < text.size() && text[i] == ' ') ++i;
  const std::optional<uint64_t> unit = UnitBytes(text.substr(i));
  if (!unit) return RefuseText(text, "units are KiB, MiB, GiB and TiB");
  // Whole and fractional parts apart, so that the product stays below 2^128.
  const Uint128 whole = digits / scale * *unit;
  const Uint128 fraction = digits % scale * *unit / scale;
  if (whole + fraction > kMax) return RefuseText(text, "it is too large");
  return static_cast<uint64_t>(whole + fraction);
}

std::string FormatSize(uint64_t bytes) {
  for (const Unit& u : kUnits) {
    if (bytes < u.bytes) continue;
    uint64_t whole = bytes / u.bytes;
    // At most 10 * 2^40, so no overflow.
    uint64_t tenths = (bytes % u.bytes * 10 + u.bytes / 2) / u.bytes;
    whole += tenths / 10;
    tenths %= 10;
    return tenths == 0 ? fmt::format("{} {}", whole, u.name)
                       : fmt::format("{}.{} {}", whole, tenths, u.name);
  }
  return fmt::format("{} B", bytes);
}

}  // namespace quire
