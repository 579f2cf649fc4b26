// server/openai/request_labels.h -- the names that clients give their requests, for the ledger.
//
//   {"metadata": {"route": "support/answer", "version": "2024-11-a"}}
//
// They are shown to people, in tables and pages, so they are short and have no control characters:
// others are refused by name rather than cut, since two cut labels could become one.
//
// Threads  pure functions.  Errors  kInvalidArgument naming the field.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "server/openai/json_input.h"

namespace quire {

inline constexpr size_t kMaxLabelBytes = 64;
inline constexpr size_t kMaxRequestIdBytes = 128;

// `field`: what it is called where it came from.
Status CheckLabel(std::string_view label, const std::string& field);
Status CheckRequestId(std::string_view id, const std::string& field);

struct RequestLabels {
  std::string route;
  std::string version;
  bool empty() const { return route.empty() && version.empty(); }
};

// Of `metadata`; other names in it are the client's own business.
Result<RequestLabels> ReadLabels(const Json& metadata);

}  // namespace quire
