#include "server/trace/trace_context.h"

#include <sodium.h>

#include <cmath>
#include <span>

namespace quire {
namespace {

constexpr size_t kTraceAt = 3;
constexpr size_t kParentAt = 36;
constexpr size_t kFlagsAt = 53;
constexpr size_t kLength = 55;  // of version 00; later ones may add to it, after a dash
constexpr uint8_t kSampled = 1;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;  // capital letters are not allowed
}

// Two digits a byte; false if `text`, which has that many, is something else.
bool ReadHex(std::string_view text, std::span<uint8_t> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    const int high = HexDigit(text[2 * i]);
    const int low = HexDigit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return true;
}

std::string WriteHex(std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

template <typename Id>
Id Fresh() {
  Id id{};
  do randombytes_buf(id.data(), id.size());
  while (id == Id{});
  return id;
}

}  // namespace

std::optional<Traceparent> ParseTraceparent(std::string_view header) {
  if (header.size() < kLength) return std::nullopt;
  for (const size_t dash : {kTraceAt, kParentAt, kFlagsAt}) {
    if (header[dash - 1] != '-') return std::nullopt;
  }
  std::array<uint8_t, 1> version{};
  std::array<uint8_t, 1> flags{};
  Traceparent parsed;
  if (!ReadHex(header, version) || !ReadHex(header.substr(kTraceAt), parsed.trace) ||
      !ReadHex(header.substr(kParentAt), parsed.parent) ||
      !ReadHex(header.substr(kFlagsAt), flags)) {
    return std::nullopt;
  }
  const bool has_more = header.size() > kLength;
  if (version[0] == 0xff || (version[0] == 0 && has_more)) return std::nullopt;
  if (has_more && header[kLength] != '-') return std::nullopt;
  if (parsed.trace == kNoTrace || parsed.parent == kNoSpan) return std::nullopt;
  parsed.sampled = (flags[0] & kSampled) != 0;
  return parsed;
}

TraceContext BeginTrace(std::string_view traceparent, double share) {
  TraceContext context;
  context.span = FreshSpanId();
  if (const auto given = ParseTraceparent(traceparent)) {
    context.trace = given->trace;
    context.parent = given->parent;
    context.is_sampled = given->sampled;
  } else {
    context.trace = Fresh<TraceId>();
    context.is_sampled = IsInShare(context.trace, share);
  }
  return context;
}

// By the 56 bits of an id that are to be random, so that several servers with the same share choose
// alike.
bool IsInShare(const TraceId& trace, double share) {
  constexpr size_t kRandomBytes = 7;
  uint64_t number = 0;
  for (size_t i = trace.size() - kRandomBytes; i < trace.size(); ++i) {
    number = number << 8 | trace[i];
  }
  return number < static_cast<uint64_t>(std::ldexp(share, 8 * kRandomBytes));
}

std::string FormatTraceparent(const TraceContext& context) {
  return "00-" + Hex(context.trace) + "-" + Hex(context.span) +
         (context.is_sampled ? "-01" : "-00");
}

SpanId FreshSpanId() { return Fresh<SpanId>(); }
std::string Hex(const TraceId& id) { return WriteHex(id); }
std::string Hex(const SpanId& id) { return WriteHex(id); }

}  // namespace quire
