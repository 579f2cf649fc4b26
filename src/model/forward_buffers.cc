#include "model/forward_buffers.h"

#include <algorithm>

#include "base/check.h"

namespace quire {
namespace {

// Pages are zero and not there until touched, so a large reservation costs nothing; if even that
// is refused the server was started with limits this machine cannot hold.
HugeBuffer AllocateFloats(size_t count) {
  Result<HugeBuffer> buffer = HugeBuffer::Allocate(count * sizeof(float));
  QUIRE_CHECK(buffer.has_value(), "no memory for the buffers of a forward pass");
  return std::move(*buffer);
}

}  // namespace

ActivationSet::ActivationSet(uint32_t max_tokens, const ModelConfig& config)
    : width(max_tokens, config.width),
      heads(max_tokens, config.query_width()),
      ffn(max_tokens, config.ffn_width),
      bytes(uint64_t{max_tokens} * (config.width + config.query_width() + config.ffn_width) *
            (sizeof(int8_t) + sizeof(float))) {}

void ActivationSet::SetTokens(uint32_t tokens, const ModelConfig& config) {
  width.SetShape(tokens, config.width);
  heads.SetShape(tokens, config.query_width());
  ffn.SetShape(tokens, config.ffn_width);
}

RowBuffers::RowBuffers(uint32_t max_tokens, uint32_t max_logit_rows, const ModelConfig& config)
    : memory(AllocateFloats(size_t{max_tokens} * config.width)),
      residual(reinterpret_cast<float*>(memory.data())),
      all(max_tokens, config),
      selected(max_logit_rows, config) {}

ForwardBuffers::ForwardBuffers(const ModelConfig& config, const ForwardLimits& limits,
                               uint32_t workers)
    : shared(limits.max_tokens, limits.max_logit_rows, config),
      attention(limits.max_tokens, config.query_heads, config.head_dim, limits.max_context,
                workers) {
  for (uint32_t i = 0; i < workers; ++i) {
    own.push_back(std::make_unique<RowBuffers>(kFewTokens, kFewTokens, config));
  }
  Carve(config, limits, workers);
}

uint64_t ForwardBuffers::bytes() const {
  uint64_t sum = memory.size();
  const auto add = [&sum](const RowBuffers& rows) {
    sum += rows.memory.size() + rows.all.bytes + rows.selected.bytes;
  };
  add(shared);
  for (const auto& rows : own) add(*rows);
  return sum;
}

void ForwardBuffers::Carve(const ModelConfig& config, const ForwardLimits& limits,
                           uint32_t workers) {
  scratch_stride = std::max({config.width, config.ffn_width, config.head_dim});
  const size_t rows = limits.max_tokens;
  struct Part {
    float** start;
    size_t size;
  };
  const Part parts[] = {
      {&query, rows * config.query_width()},
      {&key, rows * config.kv_width()},
      {&value, rows * config.kv_width()},
      {&attended, rows * config.query_width()},
      {&branch, rows * config.width},
      {&gate, rows * config.ffn_width},
      {&up, rows * config.ffn_width},
      {&rope, rows * config.rope.dims},
      {&local_rope, rows * config.local_rope.dims},
      {&scratch, workers * scratch_stride},
      {&logits, size_t{limits.max_logit_rows} * config.vocab_size},
  };
  constexpr size_t kLine = 64 / sizeof(float);  // parts start on a cache line
  size_t total = 0;
  for (const Part& part : parts) total += (part.size + kLine - 1) / kLine * kLine;
  memory = AllocateFloats(total);
  float* at = reinterpret_cast<float*>(memory.data());
  for (const Part& part : parts) {
    *part.start = at;
    at += (part.size + kLine - 1) / kLine * kLine;
  }
}

}  // namespace quire
