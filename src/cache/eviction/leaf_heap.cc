#include "cache/eviction/leaf_heap.h"

#include "base/check.h"

namespace quire {

void LeafHeap::Add(BlockId block, uint64_t key) {
  QUIRE_CHECK(!places_->contains(block), "a leaf was added twice");
  items_.push_back({key, block});
  Rise(size() - 1, {key, block});
}

void LeafHeap::Remove(BlockId block) {
  const uint32_t at = (*places_)[block];
  QUIRE_CHECK(at < items_.size() && items_[at].block == block, "a leaf is not in its heap");
  (*places_)[block] = LeafPlaces::kNowhere;
  const Item last = items_.back();
  items_.pop_back();
  if (last.block == block) return;
  if (at > 0 && last.key < items_[(at - 1) / 2].key) {
    Rise(at, last);
  } else {
    Sink(at, last);
  }
}

void LeafHeap::Put(uint32_t at, const Item& item) {
  items_[at] = item;
  (*places_)[item.block] = at;
}

void LeafHeap::Rise(uint32_t at, const Item& item) {
  while (at > 0 && item.key < items_[(at - 1) / 2].key) {
    Put(at, items_[(at - 1) / 2]);
    at = (at - 1) / 2;
  }
  Put(at, item);
}

void LeafHeap::Sink(uint32_t at, const Item& item) {
  for (uint32_t child = 2 * at + 1; child < size(); child = 2 * at + 1) {
    if (child + 1 < size() && items_[child + 1].key < items_[child].key) ++child;
    if (item.key <= items_[child].key) break;
    Put(at, items_[child]);
    at = child;
  }
  Put(at, item);
}

void LeafHeap::CheckInvariants() const {
  for (uint32_t i = 0; i < size(); ++i) {
    QUIRE_CHECK((*places_)[items_[i].block] == i, "a leaf is not where its place says");
    QUIRE_CHECK(i == 0 || items_[(i - 1) / 2].key <= items_[i].key, "the heap has no order");
  }
}

}  // namespace quire
