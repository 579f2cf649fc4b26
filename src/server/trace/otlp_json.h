// server/trace/otlp_json.h -- spans as the JSON of OTLP: an ExportTraceServiceRequest.
//
// Ids are hex, whole numbers of 64 bits are strings, enumerations are numbers: OTLP 1.x, "JSON
// Protobuf Encoding".
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "server/trace/span.h"

namespace quire {

// `version`, `instance`: of this server.
struct TraceResource {
  std::string version;
  std::string instance;
};

std::string WriteOtlp(const TraceResource& resource, std::span<const Span> spans);

// Of an answer with a 2xx: so many spans the collector did not take. 0 if it does not say.
int64_t RejectedSpans(std::string_view answer);

}  // namespace quire
