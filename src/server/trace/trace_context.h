// server/trace/trace_context.h -- which trace a request belongs to (W3C Trace Context, level 1).
//
//   traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
//                version  trace id                    parent id        flags: 1 is "sampled"
//
// A header that is not exactly that is as none: a new trace begins. Whether a trace that a client
// brings is exported is the client's word, so that a trace is told by all its servers or by none;
// of those that begin here a share is, by their id.
//
// Threads  any.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quire {

using TraceId = std::array<uint8_t, 16>;
using SpanId = std::array<uint8_t, 8>;

inline constexpr TraceId kNoTrace{};
inline constexpr SpanId kNoSpan{};

struct Traceparent {
  TraceId trace{};  // not kNoTrace
  SpanId parent{};  // not kNoSpan
  bool sampled = false;
};
std::optional<Traceparent> ParseTraceparent(std::string_view header);

// The trace of one request.
struct TraceContext {
  TraceId trace{};
  SpanId span{};            // of the request
  SpanId parent{};          // the client's; kNoSpan: the trace began here
  bool is_sampled = false;  // it is exported
};

// `share`, from 0 to 1: of the traces that begin here, so much is exported.
TraceContext BeginTrace(std::string_view traceparent, double share);
bool IsInShare(const TraceId& trace, double share);

// The context as a header for whoever is called, or has called.
std::string FormatTraceparent(const TraceContext& context);

SpanId FreshSpanId();
std::string Hex(const TraceId& id);  // lower case
std::string Hex(const SpanId& id);

}  // namespace quire
