// fuzz/fuzz_regex.cc -- any bytes as a regular expression: refused with a reason, or a grammar
// without dead ends; inside JSON strings too.

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/check.h"
#include "fuzz/grammar_walk.h"
#include "grammar/source/regex.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using quire::fuzz::Walk;
  const std::string_view pattern(reinterpret_cast<const char*>(data), size);
  for (const auto use : {quire::RegexUse::kWhole, quire::RegexUse::kInJsonString}) {
    quire::Parts parts;
    const auto root = quire::AddRegex(parts, pattern, use);
    if (!root) {
      QUIRE_CHECK(!root.error().message.empty());
      continue;
    }
    const auto answer = Walk(parts, *root, size);
    if (answer && use == quire::RegexUse::kInJsonString) {
      QUIRE_CHECK(nlohmann::json::accept('"' + *answer + '"'), "the inside of a JSON string");
    }
  }
  return 0;
}
