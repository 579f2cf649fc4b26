#include "server/trace/otlp_json.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "server/openai/json_writer.h"

namespace quire {
namespace {

// Numbers of OTLP's enumerations and flags.
constexpr int kInternal = 1;
constexpr int kServer = 2;
constexpr int kStatusError = 2;
constexpr uint32_t kSampled = 0x001;
constexpr uint32_t kRemoteIsKnown = 0x100;
constexpr uint32_t kRemote = 0x200;

void WriteValue(const SpanValue& value, JsonWriter& json) {
  json.BeginObject();
  if (const auto* text = std::get_if<std::string>(&value)) {
    json.Field("stringValue", *text);
  } else if (const auto* whole = std::get_if<int64_t>(&value)) {
    json.Field("intValue", std::to_string(*whole));
  } else if (const auto* real = std::get_if<double>(&value)) {
    json.Field("doubleValue", *real);
  } else {
    json.Field("boolValue", std::get<bool>(value));
  }
  json.EndObject();
}

void WriteAttribute(std::string_view name, const SpanValue& value, JsonWriter& json) {
  json.BeginObject().Field("key", name).Key("value");
  WriteValue(value, json);
  json.EndObject();
}

void WriteSpan(const Span& span, JsonWriter& json) {
  json.BeginObject().Field("traceId", Hex(span.trace)).Field("spanId", Hex(span.id));
  if (span.parent != kNoSpan) json.Field("parentSpanId", Hex(span.parent));
  json.Field("flags", kSampled | kRemoteIsKnown | (span.parent_is_remote ? kRemote : 0))
      .Field("name", span.name)
      .Field("kind", span.is_server ? kServer : kInternal)
      .Field("startTimeUnixNano", std::to_string(span.begin_ns))
      .Field("endTimeUnixNano", std::to_string(span.end_ns));
  json.Key("attributes").BeginArray();
  for (const auto& [name, value] : span.attributes) WriteAttribute(name, value, json);
  json.EndArray();
  if (span.failed) {
    json.Key("status").BeginObject();
    json.Field("code", kStatusError).Field("message", span.failure).EndObject();
  }
  json.EndObject();
}

}  // namespace

std::string WriteOtlp(const TraceResource& resource, std::span<const Span> spans) {
  JsonWriter json;
  json.BeginObject().Key("resourceSpans").BeginArray().BeginObject();
  json.Key("resource").BeginObject().Key("attributes").BeginArray();
  WriteAttribute("service.name", std::string("quire"), json);
  WriteAttribute("service.version", resource.version, json);
  WriteAttribute("service.instance.id", resource.instance, json);
  json.EndArray().EndObject();
  json.Key("scopeSpans").BeginArray().BeginObject();
  json.Key("scope").BeginObject();
  json.Field("name", "quire").Field("version", resource.version).EndObject();
  json.Key("spans").BeginArray();
  for (const Span& span : spans) WriteSpan(span, json);
  json.EndArray();
  json.EndObject().EndArray();              // scopeSpans
  json.EndObject().EndArray().EndObject();  // resourceSpans
  return json.Take();
}

int64_t RejectedSpans(std::string_view answer) {
  const auto json = nlohmann::json::parse(answer, nullptr, false);
  if (!json.is_object() || !json.contains("partialSuccess")) return 0;
  const auto& partial = json["partialSuccess"];
  if (!partial.is_object() || !partial.contains("rejectedSpans")) return 0;
  const auto& rejected = partial["rejectedSpans"];
  int64_t count = 0;
  if (rejected.is_number_integer()) {
    count = rejected.get<int64_t>();
  } else if (rejected.is_string()) {
    const auto& text = rejected.get_ref<const std::string&>();
    std::from_chars(text.data(), text.data() + text.size(), count);
  }
  return std::max<int64_t>(0, count);
}

}  // namespace quire
