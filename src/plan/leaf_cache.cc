#include "plan/leaf_cache.h"

#include "base/check.h"
#include "cache/eviction/random_draw.h"

namespace quire {

LeafCache::LeafCache(const Trace& trace, uint32_t capacity_blocks, EvictionKind kind)
    : capacity_(capacity_blocks),
      policy_(MakeEvictionPolicy(kind, capacity_blocks, trace.num_blocks)),
      nodes_(trace.num_blocks) {}

uint32_t LeafCache::Read(const TraceRequest& request) {
  text_.clear();
  ForEachBlock(request, [&](uint32_t block) { text_.push_back(block); });
  const uint32_t hits = CountHits();
  for (const uint32_t block : text_) {
    if (nodes_[block].leaf) RemoveLeaf(block);
  }
  NoteText(hits, request.arrival);
  PutIn();
  while (size_ > capacity_) EvictOne(request.arrival);
  return hits;
}

uint32_t LeafCache::CountHits() const {
  uint32_t hits = 0;
  while (hits < text_.size() && nodes_[text_[hits]].held) ++hits;
  return hits;
}

void LeafCache::NoteText(uint32_t hits, TickMs now) {
  const uint32_t size = static_cast<uint32_t>(text_.size());
  names_.clear();
  uses_.clear();
  const uint32_t turn = hits < 2 ? 0 : nodes_[text_[hits - 1]].use.turn + 1;
  for (uint32_t i = 0; i < size; ++i) {
    names_.push_back(MixBits(uint64_t{text_[i]} + 1));
    uses_.push_back({.last_use = now,
                     .hits = i < hits ? nodes_[text_[i]].use.hits + 1 : 0,
                     .turn = turn,
                     .depth = i,
                     .tail = i + 1 == size});
  }
  policy_->NoteText({.names = names_, .uses = uses_, .found = hits}, now);
  for (uint32_t i = size; i-- > 0;) {
    nodes_[text_[i]].use = uses_[i];
    nodes_[text_[i]].use.serial = ++serial_;
  }
}

// A trace may name a block under two parents, or twice in one text: it hangs where it came first.
void LeafCache::PutIn() {
  for (size_t i = 0; i < text_.size(); ++i) {
    Node& node = nodes_[text_[i]];
    if (node.held) continue;
    node.held = true;
    node.parent = i == 0 ? kNone : text_[i - 1];
    if (i > 0) ++nodes_[text_[i - 1]].children;
    ++size_;
  }
  for (const uint32_t block : text_) {
    if (nodes_[block].children == 0 && !nodes_[block].leaf) AddLeaf(block);
  }
}

void LeafCache::EvictOne(TickMs now) {
  const BlockId victim = policy_->Victim(kFirstOwner, now);
  QUIRE_CHECK(victim != kNoBlock, "blocks without a leaf");
  RemoveLeaf(Index(victim));
  Node& node = nodes_[Index(victim)];
  node.held = false;
  --size_;
  if (node.parent != kNone && --nodes_[node.parent].children == 0) AddLeaf(node.parent);
}

void LeafCache::AddLeaf(uint32_t block) {
  nodes_[block].leaf = true;
  policy_->Add(BlockId{block}, kFirstOwner, nodes_[block].use);
}

void LeafCache::RemoveLeaf(uint32_t block) {
  nodes_[block].leaf = false;
  policy_->Remove(BlockId{block}, kFirstOwner);
}

void LeafCache::CheckInvariants() const {
  std::vector<uint32_t> children(nodes_.size());
  uint32_t held = 0;
  for (const Node& node : nodes_) {
    if (!node.held) continue;
    ++held;
    if (node.parent != kNone) ++children[node.parent];
  }
  QUIRE_CHECK(held == size_ && size_ <= capacity_, "the count of blocks is wrong");
  for (size_t i = 0; i < nodes_.size(); ++i) {
    QUIRE_CHECK(nodes_[i].children == children[i], "the count of children is wrong");
    QUIRE_CHECK(children[i] == 0 || nodes_[i].held, "a block was orphaned");
    QUIRE_CHECK(nodes_[i].leaf == (nodes_[i].held && children[i] == 0), "a leaf is not held");
  }
}

}  // namespace quire
