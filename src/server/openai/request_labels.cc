#include "server/openai/request_labels.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "server/openai/json_writer.h"

namespace quire {
namespace {

// The code point that valid UTF-8 begins with, and its bytes.
std::pair<uint32_t, size_t> FirstCodePoint(std::string_view text) {
  const auto byte = [&](size_t i) { return uint32_t{static_cast<uint8_t>(text[i])}; };
  if (byte(0) < 0x80) return {byte(0), 1};
  if (byte(0) < 0xe0) return {(byte(0) & 0x1f) << 6 | (byte(1) & 0x3f), 2};
  if (byte(0) < 0xf0) {
    return {(byte(0) & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f), 3};
  }
  return {0x10000, 4};  // nothing of interest is there
}

// C0, C1, line and paragraph separators, and what turns the direction of writing around: all that
// could make a line of a table something else than it is.
bool IsControl(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
         code == 0x200e || code == 0x200f || (code >= 0x202a && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

bool HasControl(std::string_view text) {
  while (!text.empty()) {
    const auto [code, bytes] = FirstCodePoint(text);
    if (IsControl(code)) return true;
    text.remove_prefix(std::min(bytes, text.size()));
  }
  return false;
}

std::unexpected<Error> Bad(const std::string& field, const std::string& what) {
  return Refuse(ErrorCode::kInvalidArgument, "'" + field + "' " + what, field);
}

}  // namespace

Status CheckLabel(std::string_view label, const std::string& field) {
  if (label.size() > kMaxLabelBytes) {
    return Bad(field, "has " + std::to_string(label.size()) + " bytes; a label has at most " +
                          std::to_string(kMaxLabelBytes));
  }
  if (ToValidUtf8(label) != label) return Bad(field, "is not valid UTF-8");
  if (HasControl(label)) return Bad(field, "has control characters");
  return {};
}

Status CheckRequestId(std::string_view id, const std::string& field) {
  if (id.size() > kMaxRequestIdBytes) {
    return Bad(field, "has " + std::to_string(id.size()) +
                          " bytes; the id of a request has at most " +
                          std::to_string(kMaxRequestIdBytes));
  }
  const bool plain =
      std::ranges::all_of(id, [](char c) { return c > ' ' && c <= '~' && c != '"' && c != '\\'; });
  if (!plain) return Bad(field, "is no id of a request: they are of plain characters");
  return {};
}

Result<RequestLabels> ReadLabels(const Json& metadata) {
  RequestLabels labels;
  if (!metadata.is_object()) return labels;
  QUIRE_TRY(FieldReader reader, FieldReader::Of(metadata, "metadata"));
  QUIRE_TRY(auto route, reader.String("route"));
  QUIRE_TRY(auto version, reader.String("version"));
  labels = {std::move(route).value_or(""), std::move(version).value_or("")};
  for (const auto& [label, field] : {std::pair(&labels.route, "metadata.route"),
                                     std::pair(&labels.version, "metadata.version")}) {
    if (const Status fine = CheckLabel(*label, field); !fine) return std::unexpected(fine.error());
  }
  return labels;
}

}  // namespace quire
