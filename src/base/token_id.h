// base/token_id.h -- the number of a piece of text in a model's vocabulary.
//
// The one word that text/, model/, cache/, sched/ and engine/ all speak. A plain integer, since it
// crosses into JSON, hashes and kernels everywhere; -1 is never a token.
#pragma once

#include <cstdint>

namespace quire {

using TokenId = int32_t;
inline constexpr TokenId kNoToken = -1;

// Tokens of KV in one block: the unit of sharing, naming, eviction and transfer. A multiple of the
// 16 lanes of a kernel, so that one vector holds one value of every token of a block.
inline constexpr uint32_t kBlockTokens = 16;

}  // namespace quire
