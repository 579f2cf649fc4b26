#include "model/forward_buffers.h"

#include <algorithm>
#include <span>

#include "base/check.h"

namespace quire {
namespace {

struct Part {
  float** start;
  size_t size;
};

// One allocation for all parts, each of which starts on a cache line. Pages are zero and not there
// until touched, so a large reservation costs nothing; if even that is refused the server was
// started with limits this machine cannot hold.
HugeBuffer AllocateParts(std::span<const Part> parts) {
  constexpr size_t kLine = 64 / sizeof(float);
  size_t total = 0;
  for (const Part& part : parts) total += (part.size + kLine - 1) / kLine * kLine;
  Result<HugeBuffer> buffer = HugeBuffer::Allocate(total * sizeof(float));
  QUIRE_CHECK(buffer.has_value(), "no memory for the buffers of a forward pass");
  float* at = reinterpret_cast<float*>(buffer->data());
  for (const Part& part : parts) {
    *part.start = at;
    at += (part.size + kLine - 1) / kLine * kLine;
  }
  return std::move(*buffer);
}

uint64_t ActivationBytes(const ModelConfig& config, uint32_t max_tokens) {
  return uint64_t{max_tokens} * (config.width + config.query_width() + config.ffn_width) *
         (sizeof(int8_t) + sizeof(float));
}

}  // namespace

WorkerSpace::WorkerSpace(const ModelConfig& config, uint32_t tokens)
    : width(tokens, config.width),
      heads(tokens, config.query_width()),
      ffn(tokens, config.ffn_width),
      pieces(config.query_heads + config.kv_heads),
      max_tokens(tokens) {
  const size_t rows = tokens;
  // A decode takes its whole share of the ffn at once.
  const size_t chunk = std::max<size_t>(rows * kFfnChunk, config.ffn_width);
  const Part parts[] = {
      {&residual, rows * config.width},
      {&final_residual, rows * config.width},
      {&scratch, config.width},
      {&gate, chunk},
      {&up, chunk},
      {&key, rows * config.kv_width()},
      {&value, rows * config.kv_width()},
      {&branch, rows * config.width},
  };
  memory = AllocateParts(parts);
  bytes = memory.size() + ActivationBytes(config, tokens);
}

ForwardBuffers::ForwardBuffers(const ModelConfig& config, const ForwardLimits& limits,
                               uint32_t workers)
    : times(workers),
      slabs_taken((size_t{config.layers} + 1) * workers),
      attention(limits.max_tokens, config.query_heads, config.head_dim, limits.max_context,
                workers) {
  const uint32_t tokens =
      std::min(std::max(limits.max_tokens, limits.max_logit_rows), kMaxSetTokens);
  for (uint32_t i = 0; i < workers; ++i) {
    own.push_back(std::make_unique<WorkerSpace>(config, tokens));
  }
  Carve(config, limits);
}

uint64_t ForwardBuffers::bytes() const {
  uint64_t sum = memory.size();
  for (const auto& space : own) sum += space->bytes;
  return sum;
}

void ForwardBuffers::Carve(const ModelConfig& config, const ForwardLimits& limits) {
  const size_t rows = limits.max_tokens;
  const Part parts[] = {
      {&residual, rows * config.width},
      {&query, rows * config.query_width()},
      {&attended, rows * config.query_width()},
      {&rope, rows * config.rope.dims},
      {&local_rope, rows * config.local_rope.dims},
      {&logits, size_t{limits.max_logit_rows} * config.vocab_size},
  };
  memory = AllocateParts(parts);
}

}  // namespace quire
