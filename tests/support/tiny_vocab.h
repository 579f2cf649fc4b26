// tests/support/tiny_vocab.h -- the smallest vocabularies that can spell any text.
#pragma once

#include <cstdint>

#include "tests/support/gguf_writer.h"

namespace quire::test {

// Each adds the tokenizer.ggml.* pairs to `writer` and returns the number of tokens: as many as it
// needs, filled up to `min_tokens` with ordinary tokens that no text tokenizes to.

// 256 bytes, merges for "the", "and", "ing", ..., <|endoftext|>, <|im_start|>, <|im_end|>. No BOS.
uint32_t AddByteLevelVocab(GgufWriter& writer, uint32_t min_tokens);

// <unk>, <s>, </s>, 256 byte tokens, printable ASCII, some pieces with scores. BOS is added.
uint32_t AddSentencePieceVocab(GgufWriter& writer, uint32_t min_tokens);

}  // namespace quire::test
