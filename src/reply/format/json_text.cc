#include "reply/format/json_text.h"

#include "reply/json_scan.h"

namespace quire {

std::string JsonQuotes(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 0x20) {
      out.append("\\u00") += {kHex[byte >> 4], kHex[byte & 15]};
    } else {
      out += c;
    }
  }
  return out;
}

std::string JsonString(std::string_view text) { return "\"" + JsonQuotes(text) + "\""; }

namespace {

// Whether `text` is one JSON value; `json` becomes what it is passed on as.
bool IsJson(std::string_view text, std::string& json) {
  JsonScan scan;
  JsonScan::Step step = JsonScan::Step::kMore;
  size_t taken = 0;
  while (taken < text.size() && step == JsonScan::Step::kMore)
    step = scan.Take(text[taken++], json);
  if (taken < text.size()) return false;
  std::string behind;  // a number ends only where something else begins
  if (step == JsonScan::Step::kMore) step = scan.Take(' ', behind);
  return step == JsonScan::Step::kDone || step == JsonScan::Step::kBefore;
}

}  // namespace

std::string JsonOrText(const std::string& text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return JsonString(text);
  const std::string bare = text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
  std::string json;
  std::string deeper;
  // It stands inside an object, so it must not be as deep as can be.
  return IsJson(bare, json) && IsJson("[" + bare + "]", deeper) ? json : JsonString(text);
}

}  // namespace quire
