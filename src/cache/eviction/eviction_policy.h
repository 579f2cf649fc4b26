// cache/eviction/eviction_policy.h -- which idle leaf of an owner is worth least.
//
// A policy holds the leaves: idle blocks on which no other block hangs. It is told of each as it
// becomes one and as it ceases to be one; giving up leaves only, it can never orphan a block. It is
// also told of every text that is read, so that it can learn what comes back, and remember what
// came back too late.
//
// Threads  none. Errors  none. Deterministic: time is an argument.
// Bounds   every leaf is held once; a policy may be given every block of the pool.
#pragma once

#include <cstdint>
#include <span>

#include "cache/ids.h"

namespace quire {

// What is known of a block's use.
struct BlockUse {
  uint64_t serial = 0;  // grows with each block that becomes idle: the order of an LRU
  TickMs last_use = 0;  // when a text was last read that it is part of
  uint32_t hits = 0;    // how often it had been read before that
  uint32_t turn = 0;    // how often the text that it was last part of had been gone on with
  uint32_t depth = 0;   // blocks before it
  bool tail = false;    // it was the last full block of that text
};

// A text that is read now, or what was added to one since.
struct TextNote {
  std::span<const uint64_t> names;  // hashes of the names of its full blocks, in order
  std::span<BlockUse> uses;         // of each; as they will be from now on
  uint32_t found = 0;               // the first so many were in the cache
  bool starts = true;               // the first of them is the first of the text
};

class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;

  virtual void AddOwner() = 0;  // kFirstOwner is there from the start
  virtual void Add(BlockId leaf, OwnerId owner, const BlockUse& use) = 0;
  virtual void Remove(BlockId leaf, OwnerId owner) = 0;  // it was added
  // The leaf to give up next, which stays until it is removed; kNoBlock if the owner has none.
  virtual BlockId Victim(OwnerId owner, TickMs now) = 0;
  // A policy that remembers blocks which the cache lost may correct `hits` and `turn`.
  virtual void NoteText(const TextNote&, TickMs) {}
};

}  // namespace quire
