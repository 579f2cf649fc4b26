// plan/leaf_cache.h -- the server's eviction policies over a trace's blocks.
//
// Blocks hang on the one before them, as in the prefix cache, and only idle leaves are given up:
// those of the request that was read last are among them once it has been put in.
#pragma once

#include "cache/eviction/make_policy.h"
#include "plan/replay_cache.h"

namespace quire {

class LeafCache : public ReplayCache {
 public:
  LeafCache(const Trace& trace, uint32_t capacity_blocks, EvictionKind kind);

  uint32_t Read(const TraceRequest& request) override;
  uint32_t size() const { return size_; }
  void CheckInvariants() const;

 private:
  struct Node {
    uint32_t parent = kNone;
    uint32_t children = 0;
    BlockUse use;
    bool held = false;
    bool leaf = false;  // the policy holds it
  };
  static constexpr uint32_t kNone = 0xffffffff;

  uint32_t CountHits() const;
  void NoteText(uint32_t hits, TickMs now);
  void PutIn();
  void EvictOne(TickMs now);
  void AddLeaf(uint32_t block);
  void RemoveLeaf(uint32_t block);

  const uint32_t capacity_;
  std::unique_ptr<EvictionPolicy> policy_;
  std::vector<Node> nodes_;  // by block of the trace, which is its id too
  uint32_t size_ = 0;
  uint64_t serial_ = 0;
  std::vector<uint32_t> text_;  // the request's blocks
  std::vector<uint64_t> names_;
  std::vector<BlockUse> uses_;
};

}  // namespace quire
