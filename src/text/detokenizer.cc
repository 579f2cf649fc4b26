#include "text/detokenizer.h"

#include <algorithm>
#include <utility>

#include "text/utf8.h"

namespace quire {

Detokenizer::Detokenizer(const Tokenizer& tokenizer, bool with_special, std::vector<TokenId> shown)
    : tokenizer_(tokenizer), with_special_(with_special), shown_(std::move(shown)) {}

std::string Detokenizer::Append(TokenId token) {
  std::string out;
  const bool hidden = !with_special_ && tokenizer_.IsControl(token) &&
                      std::ranges::find(shown_, token) == shown_.end();
  if (!hidden) {
    AppendValidUtf8(tokenizer_.Piece(token), pending_, out);
  }
  return out;
}

std::string Detokenizer::Finish() {
  const bool cut = !std::exchange(pending_, {}).empty();
  return cut ? std::string(kReplacementCharacter) : std::string();
}

void AppendValidUtf8(std::string_view bytes, std::string& pending, std::string& out) {
  const std::string joined = std::exchange(pending, {}).append(bytes);
  std::string_view rest = joined;
  while (!rest.empty()) {
    const size_t valid = ValidUtf8Prefix(rest);
    out.append(rest.substr(0, valid));
    rest.remove_prefix(valid);
    if (rest.empty()) return;
    const Utf8Step step = NextUtf8(rest);
    if (step.kind == Utf8Kind::kIncomplete) {
      pending = rest;
      return;
    }
    out.append(kReplacementCharacter);
    rest.remove_prefix(step.size);
  }
}

}  // namespace quire
