#include "cache/block_pool.h"

#include <bit>

#include "base/check.h"

namespace quire {

namespace {

constexpr uint32_t kGroup = 64;  // blocks per word of the free bits; 1024 tokens
constexpr uint64_t kWholeGroup = ~uint64_t{0};

uint64_t BitOf(BlockId block) { return uint64_t{1} << (Index(block) % kGroup); }

}  // namespace

BlockPool::BlockPool(uint32_t capacity_blocks)
    : slots_(capacity_blocks), free_bits_((uint64_t{capacity_blocks} + kGroup - 1) / kGroup) {
  QUIRE_CHECK(capacity_blocks > 0 && capacity_blocks < Index(kNoBlock));
  for (uint32_t i = 0; i < capacity_blocks; ++i) PutFree(BlockId{i});
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

bool BlockPool::Allocate(BlockId after, std::span<BlockId> out) {
  if (out.size() > num_free_) return false;
  BlockId last = after;
  for (BlockId& block : out) {
    const BlockId next{last == kNoBlock ? capacity() : Index(last) + 1};
    block = Index(next) < capacity() && is_free(next) ? next : StartOfRun();
    TakeFree(block);
    Slot& slot = At(block);
    QUIRE_CHECK(slot.refs == 0 && !slot.named, "a free block was still in use");
    slot.refs = 1;
    last = block;
  }
  return true;
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
  Slot& slot = At(block);
  if (slot.refs == 0) {
    QUIRE_CHECK(slot.named, "Acquire of a free block");
    UnlinkIdle(block);
  }
  ++slot.refs;
  QUIRE_CHECK(slot.refs != 0, "reference count overflow");
}

void BlockPool::Release(BlockId block) {
  Slot& slot = At(block);
  QUIRE_CHECK(slot.refs > 0, "Release of a block that is not live");
  if (--slot.refs > 0) return;
  if (slot.named) {
    AppendIdle(block);
  } else {
    PutFree(block);
  }
}

void BlockPool::SetNamed(BlockId block) {
  Slot& slot = At(block);
  QUIRE_CHECK(slot.refs > 0 && !slot.named, "only a live, unnamed block can be named");
  slot.named = true;
}

void BlockPool::Recycle(BlockId block) {
  Slot& slot = At(block);
  QUIRE_CHECK(slot.refs == 0 && slot.named, "Recycle of a block that is not idle");
  UnlinkIdle(block);
  slot.named = false;
  PutFree(block);
}

BlockId BlockPool::next_idle(BlockId block) const { return At(block).next; }

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

void BlockPool::AppendIdle(BlockId block) {
  Slot& slot = At(block);
  slot.prev = idle_tail_;
  slot.next = kNoBlock;
  (idle_tail_ == kNoBlock ? idle_head_ : At(idle_tail_).next) = block;
  idle_tail_ = block;
  ++num_idle_;
}

void BlockPool::UnlinkIdle(BlockId block) {
  Slot& slot = At(block);
  (slot.prev == kNoBlock ? idle_head_ : At(slot.prev).next) = slot.next;
  (slot.next == kNoBlock ? idle_tail_ : At(slot.next).prev) = slot.prev;
  slot.prev = slot.next = kNoBlock;
  --num_idle_;
}

void BlockPool::CheckInvariants() const {
  uint32_t free = 0;
  uint32_t idle = 0;
  for (uint32_t i = 0; i < capacity(); ++i) {
    const Slot& slot = slots_[i];
    const bool in_free = is_free(BlockId{i});
    const bool in_idle = !in_free && slot.refs == 0;
    free += in_free;
    idle += in_idle;
    QUIRE_CHECK(!in_free || slot.refs == 0, "P2: a free block has references");
    QUIRE_CHECK(!in_free || !slot.named, "P4: a free block is named");
    QUIRE_CHECK(!in_idle || slot.named, "P4: an idle block is unnamed");
    QUIRE_CHECK(in_idle || (slot.prev == kNoBlock && slot.next == kNoBlock),
                "P3: a block that is not idle is linked");
  }
  QUIRE_CHECK(free == num_free_ && idle == num_idle_, "P1: the counts are wrong");

  BlockId before = kNoBlock;
  uint32_t linked = 0;
  for (BlockId block = idle_head_; block != kNoBlock; block = At(block).next) {
    QUIRE_CHECK(++linked <= num_idle_, "P3: the idle list has a cycle");
    QUIRE_CHECK(At(block).refs == 0 && At(block).prev == before, "P3: the idle list is torn");
    before = block;
  }
  QUIRE_CHECK(linked == num_idle_ && idle_tail_ == before, "P3: the idle list is incomplete");
}

}  // namespace quire
