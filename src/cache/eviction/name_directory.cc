#include "cache/eviction/name_directory.h"

#include "base/check.h"

namespace quire {

NameDirectory::NameDirectory(uint32_t capacity_blocks)
    : uses_(kEntries), buckets_(kEntries, kNone) {
  const uint64_t reach = uint64_t{kReach} * capacity_blocks;
  if (reach <= kEntries) return;
  last_watched_ = ~uint64_t{0} / reach * kEntries;
  rate_ = static_cast<double>(kEntries) / static_cast<double>(reach);
}

uint32_t NameDirectory::Find(uint64_t name) const {
  uint32_t i = buckets_[name & (buckets_.size() - 1)];
  while (i != kNone && uses_[i].name != name) i = uses_[i].next_in_bucket;
  return i;
}

uint32_t NameDirectory::Insert(uint64_t name) {
  uint32_t i = size_;
  if (full()) {
    i = oldest_;
    RemoveFromBucket(i);
    Unlink(i);
  } else {
    ++size_;
  }
  uint32_t& bucket = BucketOf(name);
  uses_[i] = {.name = name, .next_in_bucket = bucket};
  bucket = i;
  LinkNewest(i);
  return i;
}

void NameDirectory::MakeNewest(uint32_t i) {
  Unlink(i);
  LinkNewest(i);
}

void NameDirectory::Unlink(uint32_t i) {
  const NamedUse& use = uses_[i];
  (use.newer == kNone ? newest_ : uses_[use.newer].older) = use.older;
  (use.older == kNone ? oldest_ : uses_[use.older].newer) = use.newer;
}

void NameDirectory::LinkNewest(uint32_t i) {
  uses_[i].newer = kNone;
  uses_[i].older = newest_;
  (newest_ == kNone ? oldest_ : uses_[newest_].newer) = i;
  newest_ = i;
}

void NameDirectory::RemoveFromBucket(uint32_t i) {
  uint32_t* at = &BucketOf(uses_[i].name);
  while (*at != i) at = &uses_[*at].next_in_bucket;
  *at = uses_[i].next_in_bucket;
}

void NameDirectory::CheckInvariants() const {
  uint32_t linked = 0;
  uint32_t newer = kNone;
  for (uint32_t i = newest_; i != kNone; i = uses_[i].older) {
    QUIRE_CHECK(++linked <= size_ && uses_[i].newer == newer, "the order of names is broken");
    QUIRE_CHECK(IsWatched(uses_[i].name) && Find(uses_[i].name) == i, "a name is not found");
    newer = i;
  }
  QUIRE_CHECK(linked == size_ && newer == oldest_, "names are lost");
}

}  // namespace quire
