#include "engine/form.h"

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

namespace quire {

Form::Form(std::shared_ptr<const Grammar> grammar)
    : state_(std::move(grammar)), allowed_(state_.grammar().trie().num_words()) {
  state_.PrepareSoon();
}

std::span<const uint64_t> Form::Allowed(bool may_end) {
  state_.FillMask(allowed_);
  if (!may_end && !state_.finished()) {
    for (const TokenId token : state_.grammar().trie().ends()) {
      allowed_[static_cast<size_t>(token) / 64] &=
          ~(uint64_t{1} << static_cast<size_t>(token) % 64);
    }
  }
  return allowed_;
}

void Form::Take(TokenId token) {
  if (!state_.Advance(token)) {
    throw std::logic_error(fmt::format("the grammar does not take token {}", token));
  }
  if (!state_.finished()) state_.PrepareSoon();
}

}  // namespace quire
