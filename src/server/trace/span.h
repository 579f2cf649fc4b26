// server/trace/span.h -- a piece of time with a name, as OpenTelemetry tells it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "server/trace/trace_context.h"

namespace quire {

using SpanValue = std::variant<std::string, int64_t, double, bool>;

struct Span {
  TraceId trace{};
  SpanId id{};
  SpanId parent{};  // kNoSpan: it has none
  bool parent_is_remote = false;
  bool is_server = false;  // it answers somebody else's call; else it is internal
  std::string name;
  int64_t begin_ns = 0;                                            // since 1970
  int64_t end_ns = 0;                                              // not before begin_ns
  std::vector<std::pair<std::string_view, SpanValue>> attributes;  // names of static text
  bool failed = false;
  std::string failure;  // why

  void Set(std::string_view attribute, std::string text) {
    if (!text.empty()) attributes.emplace_back(attribute, std::move(text));
  }
  void Set(std::string_view attribute, bool value) { attributes.emplace_back(attribute, value); }
  void SetCount(std::string_view attribute, uint64_t count) {
    attributes.emplace_back(attribute, static_cast<int64_t>(count));
  }
};

}  // namespace quire
