// A traceparent header, whatever it holds: read exactly, or as none.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "server/trace/trace_context.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view header(reinterpret_cast<const char*>(data), size);
  const auto parsed = quire::ParseTraceparent(header);
  const quire::TraceContext context = quire::BeginTrace(header, 0.5);
  QUIRE_CHECK(context.trace != quire::kNoTrace && context.span != quire::kNoSpan);
  QUIRE_CHECK(quire::ParseTraceparent(quire::FormatTraceparent(context)).has_value());
  if (!parsed) {
    QUIRE_CHECK(context.parent == quire::kNoSpan);
    return 0;
  }
  QUIRE_CHECK(context.trace == parsed->trace && context.parent == parsed->parent);
  QUIRE_CHECK(context.is_sampled == parsed->sampled);
  QUIRE_CHECK(header.substr(3, 32) == quire::Hex(parsed->trace));
  QUIRE_CHECK(header.substr(36, 16) == quire::Hex(parsed->parent));
  return 0;
}
