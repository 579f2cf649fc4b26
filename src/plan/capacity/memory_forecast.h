// plan/capacity/memory_forecast.h -- how much memory a server of a model comes to use, part by
// part.
//
// What is counted is what a server that has been busy holds (its resident set): weights, the KV
// arena once every block was written, the buffers of a pass after the largest batch, the rows of
// the embedding table (they are looked up in the file, whose pages count as ours), tokenizer, and
// the program itself. Bodies of requests and answers on their way come and go, and are not counted.
//
// Threads  none. Errors  none.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/capacity/model_shape.h"
#include "plan/capacity/term.h"

namespace quire {

struct ServerSetting {
  uint32_t threads = 1;
  uint32_t context_tokens = 0;  // of one request; 0: the model's own
  uint32_t step_tokens = 512;
  uint32_t max_sequences = 64;
  KvFormat kv_format = KvFormat::kK16V8;
  uint64_t disk_bytes = 0;  // of KV on disk; 0: none
};

struct MemoryForecast {
  std::vector<Term> fixed = {};    // bytes, whatever the KV memory is
  uint64_t block_bytes = 0;        // of KV
  uint64_t bookkeeping_bytes = 0;  // of each block of the arena, beside its KV
  // What attention writes down of a context, and of how many blocks. No context is longer than the
  // arena, and what is not written takes no memory.
  Term attention = {};
  uint64_t context_blocks = 1;

  uint64_t fixed_bytes() const;
  uint64_t AttentionBytes(uint64_t blocks) const;  // with so many in the arena
  // That fit beside all else; of another size, if the KV is of another format.
  uint64_t BlocksIn(uint64_t memory_bytes) const { return BlocksIn(memory_bytes, block_bytes); }
  uint64_t BlocksIn(uint64_t memory_bytes, uint64_t bytes_of_block) const;
  uint64_t BytesWith(uint64_t blocks) const { return BytesWith(blocks, block_bytes); }  // of all
  uint64_t BytesWith(uint64_t blocks, uint64_t bytes_of_block) const;
};

MemoryForecast ForecastMemory(const ModelShape& shape, const ServerSetting& setting);

}  // namespace quire
