// A vocabulary and a text from the same bytes: whatever they are, loading refuses or encoding
// keeps the promises of text/tokenizer.h.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/check.h"
#include "gguf/gguf_file.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace {

using namespace quire;

void CheckText(const Tokenizer& tokenizer, std::string_view text, bool parse_special) {
  const auto ids = tokenizer.Encode(text, {.add_special = false, .parse_special = parse_special});
  Detokenizer stream(tokenizer);
  std::string shown;
  for (const TokenId id : ids) {
    QUIRE_CHECK(id >= 0 && id < static_cast<TokenId>(tokenizer.vocab_size()));
    shown += stream.Append(id);
  }
  shown += stream.Finish();
  QUIRE_CHECK(IsValidUtf8(shown));
  tokenizer.Decode(ids, true);
}

}  // namespace

// Input: [2 bytes: size of the text] [text] [GGUF file].
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t text_size = std::min<size_t>(data[0] | data[1] << 8, size - 2);
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, text_size);
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(2 + text_size);
  const auto file = GgufFile::Parse(bytes);
  if (!file) return 0;
  const auto tokenizer = Tokenizer::Create(*file);
  if (!tokenizer) return 0;
  CheckText(**tokenizer, text, false);
  CheckText(**tokenizer, text, true);
  return 0;
}
