// engine/form.h -- the form that one choice must have, from token to token.
//
// Masks are worked out by the grammar's helper thread while the model computes the next logits.
//
// Threads  none: one per choice. Errors: std::bad_alloc; std::logic_error where a grammar broke its
//          promises, which ends the request and nothing else.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/token_id.h"
#include "grammar/grammar.h"

namespace quire {

class Form {
 public:
  explicit Form(std::shared_ptr<const Grammar> grammar);

  // A bit per token that may come next; valid until the next call. Without `may_end` those that
  // end the answer are left out, unless nothing else is allowed.
  std::span<const uint64_t> Allowed(bool may_end);

  void Take(TokenId token);                            // one of the allowed that does not end
  bool complete() const { return state_.finished(); }  // nothing can follow

 private:
  GrammarState state_;
  std::vector<uint64_t> allowed_;
};

}  // namespace quire
