// fuzz/fuzz_ebnf.cc -- any bytes as an EBNF grammar: refused with a reason, or without dead ends.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "fuzz/grammar_walk.h"
#include "grammar/source/ebnf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  quire::Parts parts;
  const auto root = quire::AddEbnf(parts, text);
  if (!root) {
    QUIRE_CHECK(!root.error().message.empty());
    return 0;
  }
  quire::fuzz::Walk(parts, *root, size);
  return 0;
}
