#include "apps/top/view/shown_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <optional>

#include "text/utf8.h"

namespace quire {
namespace {

constexpr std::string_view kEllipsis = "…";
constexpr int kMostMarks = 2;

struct Character {
  std::string_view bytes;
  size_t columns = 1;
  bool steers = false;  // not to be shown as it is
};

Character NextCharacter(std::string_view text) {
  const Utf8Step step = NextUtf8(text);
  Character next{text.substr(0, step.size)};
  if (step.kind != Utf8Kind::kValid) {
    next.steers = true;
    return next;
  }
  utf8proc_int32_t code = 0;
  utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(step.size), &code);
  next.columns = static_cast<size_t>(std::max(0, utf8proc_charwidth(code)));
  switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      next.steers = true;
      break;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
      break;
    default:  // no width, yet no mark: terminals do not agree what to do with it
      next.steers = next.columns == 0;
  }
  return next;
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string out;
  int marks = kMostMarks;  // none before there is something to mark
  while (!text.empty()) {
    const Character next = NextCharacter(text);
    text.remove_prefix(next.bytes.size());
    const bool is_mark = !next.steers && next.columns == 0;
    if (is_mark && ++marks > kMostMarks) continue;
    if (!is_mark) marks = 0;
    out += next.steers ? kReplacementCharacter : next.bytes;
  }
  return out;
}

size_t Columns(std::string_view text) {
  size_t columns = 0;
  while (!text.empty()) {
    const Character next = NextCharacter(text);
    text.remove_prefix(next.bytes.size());
    columns += next.columns;
  }
  return columns;
}

std::string Fit(std::string_view text, size_t columns, Align align) {
  const size_t whole = Columns(text);
  if (whole <= columns) {
    const std::string pad(columns - whole, ' ');
    return align == Align::kLeft ? std::string(text) + pad : pad + std::string(text);
  }
  if (columns == 0) return "";
  std::string out;
  size_t used = 0;
  while (!text.empty()) {
    const Character next = NextCharacter(text);
    if (used + next.columns > columns - 1) break;
    out += next.bytes;
    used += next.columns;
    text.remove_prefix(next.bytes.size());
  }
  out += kEllipsis;
  return out + std::string(columns - 1 - used, ' ');
}

std::string ToAscii(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Character next = NextCharacter(text);
    text.remove_prefix(next.bytes.size());
    if (next.bytes.size() == 1 && !next.steers) {
      out += next.bytes;
    } else {
      out.append(next.columns, '?');
    }
  }
  return out;
}

}  // namespace quire
