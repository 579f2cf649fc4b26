// text/special_tokens.h -- which tokens begin, end and steer an answer.
//
// Files name some by number (`tokenizer.ggml.eos_token_id`), and leave others to be recognised by
// their text ("<|im_end|>"). Known families write the same text for the same purpose.
#pragma once

#include "base/result.h"
#include "gguf/gguf_file.h"
#include "text/token_index.h"
#include "text/vocabulary.h"

namespace quire {

// Fills the special ids, end_of_generation, adds_bos/adds_eos and the guessed flags of a
// vocabulary whose texts and stored flags are there. adds_bos/adds_eos hold the kind's defaults.
// `ids`: of all its tokens that have a text.
Status FindSpecialTokens(const GgufFile& file, const TokenIndex& ids, Vocabulary& vocabulary);

}  // namespace quire
