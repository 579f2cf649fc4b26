// tier/io/thread_queue.h -- an IoQueue of a few threads that call pread and pwrite.
#pragma once

#include <cstdint>
#include <memory>

#include "tier/io/io_queue.h"

namespace quire {

std::unique_ptr<IoQueue> MakeThreadQueue(uint32_t depth);

}  // namespace quire
