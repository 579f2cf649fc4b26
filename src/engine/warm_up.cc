#include "engine/warm_up.h"

#include <algorithm>
#include <new>
#include <numeric>
#include <vector>

#include "base/check.h"
#include "base/token_id.h"

namespace quire {

namespace {

constexpr uint32_t kRows = 40;  // more than the kernels for few tokens take

}  // namespace

WarmUp::WarmUp(uint64_t most_tokens)
    : rows_(static_cast<uint32_t>(std::min<uint64_t>(kRows, most_tokens - 1))) {
  QUIRE_CHECK(most_tokens >= 2, "a prefill and a decode have a token each");
}

void WarmUp::Try(bool blocks_in_use, const Run& run) try {
  if (over_ || blocks_in_use) {
    over_ = true;
    return;
  }
  std::vector<uint32_t> table(rows_ / kBlockTokens + 1);
  std::iota(table.begin(), table.end(), 0);
  const std::vector<TokenId> tokens(rows_ + 1, 0);
  const BatchItem prefill{.tokens = std::span(tokens).first(rows_),
                          .first_position = 0,
                          .table = table,
                          .num_logit_rows = 1};
  const BatchItem decode{.tokens = std::span(tokens).last(1),
                         .first_position = rows_,
                         .table = table,
                         .num_logit_rows = 1};
  over_ = run(std::span(&prefill, 1)) && run(std::span(&decode, 1));
} catch (const std::bad_alloc&) {
  over_ = true;
  throw;
}

}  // namespace quire
