// tier/io/uring_queue.h -- an IoQueue on io_uring.
#pragma once

#include <cstdint>
#include <memory>

#include "tier/io/io_queue.h"

namespace quire {

// Null where the system has no io_uring or refuses it, as many containers do.
std::unique_ptr<IoQueue> MakeUringQueue(uint32_t depth);

}  // namespace quire
