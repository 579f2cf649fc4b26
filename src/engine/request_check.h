// engine/request_check.h -- what can be said about a request at the door, before it waits.
//
// Threads  pure.
// Errors   kInvalidArgument, kContextLength, kNeverFits; each names the field and shows the sum.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "engine/request.h"

namespace quire {

struct RequestLimits {
  uint32_t vocab_size = 0;
  uint32_t context_tokens = 0;  // prompt + answer
  uint64_t kv_tokens = 0;       // that all of the KV memory holds
  uint32_t max_choices = 0;
};

// Refuses what can never be served. Cuts max_tokens where the request allows it.
Status CheckRequest(const RequestLimits& limits, GenerationRequest& request);

}  // namespace quire
