#include "plan/trace.h"

#include <algorithm>

namespace quire {

uint64_t Trace::prompt_tokens() const {
  uint64_t tokens = 0;
  for (const TraceRequest& request : requests) tokens += request.prompt_tokens;
  return tokens;
}

uint32_t Trace::longest_blocks() const {
  uint32_t most = 0;
  for (const TraceRequest& request : requests) most = std::max(most, request.num_blocks());
  return most;
}

}  // namespace quire
