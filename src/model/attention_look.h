// model/attention_look.h -- what each token of a short text looks at in one layer, to be shown.
//
// A pass of its own over the text, up to the layer: the queries and keys are those of the forward
// pass, with the model's weights, and their softmax is written down instead of being used. The keys
// are float32, so the last digits differ from those of a KV cache.
//
// Threads  one call at a time; on the caller's thread alone.
// Memory   reserved at construction, touched by the first call.
// Errors   kIo if the system gives no memory for the keys; without any for the rest the process
// ends.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "model/model.h"

namespace quire {

inline constexpr uint32_t kMostLookedAt = 64;  // tokens

class AttentionLook {
 public:
  // `model` outlives it.
  static Result<std::unique_ptr<AttentionLook>> Make(const Model& model);
  ~AttentionLook();
  AttentionLook(const AttentionLook&) = delete;
  AttentionLook& operator=(const AttentionLook&) = delete;

  // [query head][token][token looked at]: rows add up to 1, and what a token cannot see is 0. One
  // to kMostLookedAt tokens of the vocabulary, and a layer of the model (checked: a bug). Empty, if
  // `in_vain`, which is asked between layers, says that nobody wants it any more.
  using InVain = std::function<bool()>;
  std::vector<float> At(std::span<const TokenId> tokens, uint32_t layer,
                        const InVain& in_vain = nullptr);

 private:
  struct State;
  explicit AttentionLook(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace quire
