// cache/eviction/eviction_policy.h -- which idle leaf of an owner is worth least.
//
// A policy holds the leaves: idle blocks on which no other block hangs. It is told of each as it
// becomes one and as it ceases to be one; giving up leaves only, it can never orphan a block.
//
// Threads  none. Errors  none.
// Bounds   every leaf is held once; a policy may be given every block of the pool.
#pragma once

#include <cstdint>

#include "cache/ids.h"

namespace quire {

// What is known of a block's use.
struct BlockUse {
  uint64_t serial = 0;  // grows with each block that becomes idle: the order of an LRU
  TickMs last_use = 0;  // when it was computed or last found
  uint32_t hits = 0;    // how often it was found
  uint32_t turn = 0;    // how often the text that it was last part of had been gone on with
  uint32_t depth = 0;   // blocks before it
};

class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;

  virtual void AddOwner() = 0;  // kFirstOwner is there from the start
  virtual void Add(BlockId leaf, OwnerId owner, const BlockUse& use) = 0;
  virtual void Remove(BlockId leaf, OwnerId owner) = 0;  // it was added
  // The leaf to give up next, which stays until it is removed; kNoBlock if the owner has none.
  virtual BlockId Victim(OwnerId owner, TickMs now) = 0;
};

}  // namespace quire
