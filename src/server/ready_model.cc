#include "server/ready_model.h"

#include <fmt/format.h>

#include "session/fields.h"
#include "session/seal.h"
#include "text/tokenizer.h"

namespace quire {

std::string VocabularyDigest(const Tokenizer& tokenizer) {
  FieldWriter pieces;
  for (uint32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    pieces.Text(tokenizer.Piece(static_cast<TokenId>(id)));
  }
  std::string hex;
  for (const char byte : SignatureOf({}, pieces.bytes())) {
    hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  }
  return hex;
}

}  // namespace quire
