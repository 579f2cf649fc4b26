// plan/trace.h -- requests that were made somewhere once: when, how long, and which blocks of text
// they had in common. No text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cache/ids.h"

namespace quire {

// Blocks first, first + 1, ... of a trace.
struct BlockRun {
  uint32_t first = 0;
  uint32_t count = 0;
};

struct TraceRequest {
  TickMs arrival = 0;
  uint32_t prompt_tokens = 0;
  uint32_t output_tokens = 0;
  uint32_t tenant = 0;
  std::vector<BlockRun> blocks = {};  // of the prompt, in order; the last may be partial

  uint32_t num_blocks() const {
    uint32_t count = 0;
    for (const BlockRun& run : blocks) count += run.count;
    return count;
  }
};

// Calls `visit(block)` for each block of the request, from the head to the tail.
template <typename Visit>
void ForEachBlock(const TraceRequest& request, Visit visit) {
  for (const BlockRun& run : request.blocks) {
    for (uint32_t i = 0; i < run.count; ++i) visit(run.first + i);
  }
}

template <typename Visit>
void ForEachBlockFromTail(const TraceRequest& request, Visit visit) {
  for (auto run = request.blocks.rbegin(); run != request.blocks.rend(); ++run) {
    for (uint32_t i = run->count; i-- > 0;) visit(run->first + i);
  }
}

struct Trace {
  std::string format;                       // "mooncake", "azure", "agentic"
  uint32_t block_tokens = 16;               // of text in one block
  uint32_t num_blocks = 0;                  // distinct ones are numbered below
  bool has_reuse = true;                    // false: nothing is known of what texts have in common
  std::vector<TraceRequest> requests = {};  // by arrival

  uint64_t prompt_tokens() const;
  uint64_t footprint_tokens() const { return uint64_t{num_blocks} * block_tokens; }
  uint32_t longest_blocks() const;
};

}  // namespace quire
