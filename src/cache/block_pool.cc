#include "cache/block_pool.h"

#include <bit>

#include "base/check.h"

namespace quire {

namespace {

constexpr uint32_t kGroup = 64;  // blocks per word of the free bits; 1024 tokens
constexpr uint64_t kWholeGroup = ~uint64_t{0};

uint64_t BitOf(BlockId block) { return uint64_t{1} << (Index(block) % kGroup); }

}  // namespace

BlockPool::BlockPool(uint32_t capacity_blocks, IdleListener* listener)
    : listener_(listener),
      slots_(capacity_blocks),
      free_bits_((uint64_t{capacity_blocks} + kGroup - 1) / kGroup),
      owners_(1) {
  QUIRE_CHECK(capacity_blocks > 0 && capacity_blocks < Index(kNoBlock));
  for (uint32_t i = 0; i < capacity_blocks; ++i) PutFree(BlockId{i});
}

OwnerId BlockPool::AddOwner() {
  owners_.emplace_back();
  return OwnerId{num_owners() - 1};
}

const BlockCounts& BlockPool::counts(OwnerId owner) const {
  QUIRE_CHECK(Index(owner) < owners_.size(), "no such owner");
  return owners_[Index(owner)];
}

const BlockPool::Slot& BlockPool::At(BlockId block) const {
  QUIRE_CHECK(Index(block) < slots_.size(), "block id out of range");
  return slots_[Index(block)];
}

BlockPool::Slot& BlockPool::At(BlockId block) {
  QUIRE_CHECK(Index(block) < slots_.size(), "block id out of range");
  return slots_[Index(block)];
}

bool BlockPool::is_free(BlockId block) const {
  QUIRE_CHECK(Index(block) < slots_.size(), "block id out of range");
  return (free_bits_[Index(block) / kGroup] & BitOf(block)) != 0;
}

bool BlockPool::is_idle(BlockId block) const {
  const Slot& slot = At(block);
  return slot.named && slot.refs == 0 && slot.pins == 0;
}

bool BlockPool::Allocate(const Wish& wish, std::span<BlockId> out) {
  QUIRE_CHECK(Index(wish.owner) < owners_.size(), "no such owner");
  if (out.size() > num_free_) return false;
  BlockId last = wish.after;
  for (BlockId& block : out) {
    const BlockId next{last == kNoBlock ? capacity() : Index(last) + 1};
    block = Index(next) < capacity() && is_free(next) ? next : StartOfRun();
    TakeFree(block);
    Slot& slot = At(block);
    QUIRE_CHECK(slot.refs == 0 && slot.pins == 0 && !slot.named, "a free block was still in use");
    slot.refs = 1;
    slot.owner = wish.owner;
    Count(slot, 1);
    last = block;
  }
  return true;
}

uint32_t BlockCounts::* BlockPool::StateOf(const Slot& slot) {
  if (slot.refs > 0) return &BlockCounts::live;
  return slot.pins > 0 ? &BlockCounts::pinned : &BlockCounts::idle;
}

void BlockPool::Count(const Slot& slot, int change) {
  uint32_t BlockCounts::* const state = StateOf(slot);
  all_.*state += static_cast<uint32_t>(change);
  owners_[Index(slot.owner)].*state += static_cast<uint32_t>(change);
}

// Changes the holders of a block that is not free, and counts and tells what it becomes.
template <typename Change>
void BlockPool::Move(BlockId block, const Change& change) {
  Slot& slot = At(block);
  const bool was_idle = is_idle(block);
  Count(slot, -1);
  change(slot);
  if (slot.refs == 0 && slot.pins == 0 && !slot.named) {
    PutFree(block);
  } else {
    Count(slot, 1);
  }
  if (listener_ == nullptr || was_idle == is_idle(block)) return;
  was_idle ? listener_->OnTaken(block) : listener_->OnIdle(block);
}

BlockId BlockPool::StartOfRun() const {
  QUIRE_CHECK(num_free_ > 0);
  uint32_t first_with_room = 0xffffffff;
  for (uint32_t word = 0; word < free_bits_.size(); ++word) {
    if (free_bits_[word] == kWholeGroup) return BlockId{word * kGroup};
    if (free_bits_[word] != 0 && first_with_room == 0xffffffff) first_with_room = word;
  }
  QUIRE_CHECK(first_with_room < free_bits_.size());
  return BlockId{first_with_room * kGroup +
                 static_cast<uint32_t>(std::countr_zero(free_bits_[first_with_room]))};
}

void BlockPool::Acquire(BlockId block) {
  QUIRE_CHECK(!is_free(block), "Acquire of a free block");
  Move(block, [](Slot& slot) {
    ++slot.refs;
    QUIRE_CHECK(slot.refs != 0, "reference count overflow");
  });
}

void BlockPool::Release(BlockId block) {
  QUIRE_CHECK(At(block).refs > 0, "Release of a block that is not live");
  Move(block, [](Slot& slot) { --slot.refs; });
}

void BlockPool::Pin(BlockId block) {
  QUIRE_CHECK(At(block).named, "only a named block can be pinned");
  Move(block, [](Slot& slot) {
    ++slot.pins;
    QUIRE_CHECK(slot.pins != 0, "pin count overflow");
  });
}

void BlockPool::Unpin(BlockId block) {
  QUIRE_CHECK(At(block).pins > 0, "Unpin of a block that no pin holds");
  Move(block, [](Slot& slot) { --slot.pins; });
}

void BlockPool::SetNamed(BlockId block) {
  Slot& slot = At(block);
  QUIRE_CHECK(slot.refs > 0 && !slot.named, "only a live, unnamed block can be named");
  slot.named = true;
}

void BlockPool::SetUnnamed(BlockId block) {
  QUIRE_CHECK(is_named(block) && ref_count(block) == 1 && pin_count(block) == 0,
              "SetUnnamed of a block that others have");
  Move(block, [](Slot& slot) { slot.named = false; });
}

void BlockPool::Recycle(BlockId block) {
  QUIRE_CHECK(is_idle(block), "Recycle of a block that is not idle");
  Move(block, [](Slot& slot) { slot.named = false; });
}

void BlockPool::TakeFree(BlockId block) {
  QUIRE_CHECK(is_free(block));
  free_bits_[Index(block) / kGroup] &= ~BitOf(block);
  --num_free_;
}

void BlockPool::PutFree(BlockId block) {
  QUIRE_CHECK(!is_free(block));
  free_bits_[Index(block) / kGroup] |= BitOf(block);
  ++num_free_;
}

void BlockPool::CheckInvariants() const {
  uint32_t free = 0;
  BlockCounts all;
  std::vector<BlockCounts> owners(owners_.size());
  for (uint32_t i = 0; i < capacity(); ++i) {
    const Slot& slot = slots_[i];
    if (is_free(BlockId{i})) {
      ++free;
      QUIRE_CHECK(slot.refs == 0 && slot.pins == 0, "P2: a free block is held");
      QUIRE_CHECK(!slot.named, "P4: a free block is named");
      continue;
    }
    QUIRE_CHECK(slot.named || slot.refs > 0, "P4: an idle or pinned block is unnamed");
    QUIRE_CHECK(slot.named || slot.pins == 0, "P4: a pin holds an unnamed block");
    ++(all.*StateOf(slot));
    ++(owners[Index(slot.owner)].*StateOf(slot));
  }
  QUIRE_CHECK(free == num_free_ && all == all_, "P1: the counts are wrong");
  QUIRE_CHECK(free + all.used() == capacity(), "P1: a block is in no state");
  QUIRE_CHECK(owners == owners_, "P3: the counts of an owner are wrong");
}

}  // namespace quire
