#include "cache/awaited_blocks.h"

namespace quire {

void AwaitedBlocks::Expire(TickMs now) {
  for (LeafHeap& heap : blocks_) {
    while (!heap.empty() && heap.first_key() <= now) heap.Remove(heap.first());
  }
}

}  // namespace quire
