// server/request_number.h -- the number by which clients know a request that is under way.
//
// The engine counts requests, so its numbers tell a tenant how many others make. What is shown is
// a permutation of them under a key of this process: it tells nothing, two that are under way never
// share one, and one that another process gave means nothing here.
//
// Threads  any.
#pragma once

#include <cstdint>

#include "engine/request.h"

namespace quire {

uint32_t RequestNumber(RequestId id);

}  // namespace quire
