// model/kv_choice.h -- in which format a model's keys and values are stored.
//
// What the rule rests on is in docs/decisions.md; bench/kv_divergence judges a new model.
#pragma once

#include <string_view>

#include "kernels/kv_view.h"
#include "model/config.h"

namespace quire {

// The smallest format that keeps what every measured model says: mean divergence from f16 of at
// most 0.001 and the same likeliest token 99 times in 100. Keys in eight bits missed that on each
// of them, by little where keys are plain products and by far where they are biased; so the rule is
// the same for all, and q8 is for those who want the memory.
inline constexpr KvFormat kDefaultKvFormat = KvFormat::kK16V8;

// The format called `name` (KvFormatName), or the default for "auto". Other names are a bug.
KvFormat KvFormatNamed(std::string_view name);

// The shape of a model's KV in `format`.
KvShape KvShapeOf(const ModelConfig& config, KvFormat format);

}  // namespace quire
