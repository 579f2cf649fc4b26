// sched/handling.h -- how a sequence is treated beside others; nothing of it changes its tokens.
#pragma once

#include <cstdint>

namespace quire {

struct Handling {
  uint32_t chunk_tokens = 0;  // of its prompt in one step at most; 0: as the step has room for
  // A tier below memory may have what it leaves behind.
  bool offload = true;
  // Of the KV that its answer may still come to need, what must be free when it starts and is then
  // kept from those who come after it, unless they are within a guarantee, as a multiple. 0: a
  // block for the next token.
  double admission_margin = 0;
};

}  // namespace quire
