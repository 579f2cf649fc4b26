// model/kv_choice.h -- in which format a model's keys and values are stored.
//
// The rule is by construction of the model, so that it holds for files nobody has measured. What
// it rests on is in docs/decisions.md; bench/kv_divergence measures a new model.
#pragma once

#include <string_view>

#include "gguf/gguf_file.h"
#include "kernels/kv_view.h"
#include "model/config.h"

namespace quire {

// The format that keeps what the model says (mean divergence from f16 at most 0.001, the likeliest
// token the same 99 times in 100) in the least memory.
KvFormat ChooseKvFormat(const GgufFile& file);

// The format called `name` (KvFormatName), or the choice above for "auto". Other names are a bug.
KvFormat KvFormatNamed(std::string_view name, const GgufFile& file);

// The shape of a model's KV in `format`.
KvShape KvShapeOf(const ModelConfig& config, KvFormat format);

}  // namespace quire
