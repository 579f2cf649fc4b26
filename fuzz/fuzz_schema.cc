// fuzz/fuzz_schema.cc -- any bytes as a JSON Schema: refused in time with a reason, or a grammar
// without dead ends whose texts are JSON.

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/check.h"
#include "fuzz/grammar_walk.h"
#include "grammar/source/json_schema.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using quire::fuzz::Walk;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto schema = nlohmann::ordered_json::parse(text, nullptr, false);
  if (schema.is_discarded() || size > 20000) return 0;
  quire::Parts parts;
  const auto root = quire::AddJsonSchema(parts, schema);
  if (!root) {
    QUIRE_CHECK(!root.error().message.empty() && root.error().param.starts_with("schema"));
    return 0;
  }
  const auto answer = Walk(parts, *root, size);
  if (answer) {
    QUIRE_CHECK(nlohmann::json::accept(*answer), "an answer to a schema is JSON");
  }
  return 0;
}
