// cache/prefix_cache.h -- finds blocks whose KV an earlier request already computed.
//
// A full block is named by a hash chained over all that attention saw before it (block_name.h), so
// a lookup walks one hash table from block 0 until it misses.
//
// A name is only where to look. Match and Commit compare the entry's root, its parent entry and its
// token ids as well: a collision of names can cost a hit, never return foreign KV. Entries have
// serial numbers that are never reused, so "the parent entry" survives the reuse of its block.
//
// Invariants (CheckInvariants):
//   C1  at most one block per name; a named block is live or idle, never free.
//   C2  a named block is full and immutable: whoever writes KV must hold an unnamed block.
//   C3  the parent of a named block is named and held by at least as many: so below an idle block
//       all are idle, and an idle block without children can be given up and orphans nobody.
//
// C3 rests on three habits: tables are released from the tail, hold a block only together with
// those before it, and swap equal blocks at commit (so a shared unnamed block is not named: the
// others that hold it would miss the swap). KvCache has all three.
//
// Errors   none. A cache can only answer "less than you hoped".
// Cost     one look-up per block, and its name if nobody asked for it before (block_names.h); no
//          heap allocation after construction but for names.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/token_id.h"
#include "cache/block_names.h"
#include "cache/block_pool.h"
#include "cache/block_table.h"

namespace quire {

class PrefixCache {
 public:
  // `pool` outlives the cache. `name_bits` below 256 only in tests.
  PrefixCache(BlockPool& pool, uint32_t block_tokens, uint32_t name_bits = 256);

  // Appends to the empty `table` the longest cached run of blocks that spells a prefix of `tokens`,
  // taking a reference on each, and returns its length in tokens: a multiple of the block size, and
  // always < tokens.size(), because the last token must be computed to give logits.
  uint32_t Match(const BlockNames& names, std::span<const TokenId> tokens, BlockTable& table);

  // The tokens that Match would find, without taking them.
  uint32_t CountCached(const BlockNames& names, std::span<const TokenId> tokens) const;

  // Names the blocks of `table` that `computed_tokens` has filled; call it once their KV is
  // written, between steps, when no kernel reads a table. If another sequence named the same tokens
  // first, `table` takes that block and our copy is released: equal names, equal bytes.
  void Commit(const BlockNames& names, std::span<const TokenId> tokens, uint32_t computed_tokens,
              BlockTable& table);

  // The named blocks of `table` from `first` on were brought here by a hand-off or an import.
  void NoteBrought(const BlockTable& table, uint32_t first);
  // How many named blocks of `table` were brought and are asked about for the first time.
  uint32_t TakeBrought(const BlockTable& table);

  // Removes the name of a leaf that is idle, or in one table only, and returns it.
  BlockName Forget(BlockId block);

  uint32_t num_named() const { return num_named_; }
  uint32_t num_children(BlockId block) const { return entries_[Index(block)].num_children; }
  BlockId parent_of(BlockId block) const { return entries_[Index(block)].parent; }
  const BlockName& root_of(BlockId block) const { return entries_[Index(block)].root; }
  const BlockName& name_of(BlockId block) const { return entries_[Index(block)].name; }
  void CheckInvariants() const;

 private:
  struct Entry {
    BlockName name;
    BlockName root;
    uint64_t serial = 0;         // 0: the block is unnamed
    uint64_t parent_serial = 0;  // 0: it is the first of its chain
    BlockId parent = kNoBlock;
    uint32_t num_children = 0;
    BlockId next_in_bucket = kNoBlock;
    bool brought = false;  // and not taken since
  };
  // A place in a chain: what the next block will hang on.
  struct Link {
    uint64_t serial = 0;
    BlockId block = kNoBlock;
  };
  // All that identifies a block: equal keys mean equal bytes, equal names only suggest it.
  struct Key {
    BlockName name;
    BlockName root;
    Link parent;
    std::span<const TokenId> tokens;
  };

  Link LinkTo(BlockId block) const;
  Key KeyOf(const BlockNames& names, uint32_t i, std::span<const TokenId> tokens,
            const Link& parent) const;
  BlockId Find(const BlockName& name) const;
  bool IsSame(BlockId block, const Key& key) const;
  bool NameOrSwap(BlockTable& table, uint32_t i, const Key& key);
  void Insert(BlockId block, const Key& key);
  BlockId& BucketOf(const BlockName& name);
  std::span<const TokenId> TokensOf(BlockId block) const;
  void CheckEntry(BlockId block) const;

  BlockPool& pool_;
  const uint32_t block_tokens_;
  const uint32_t name_bits_;
  uint64_t last_serial_ = 0;
  uint32_t num_named_ = 0;
  std::vector<Entry> entries_;    // [capacity], indexed by BlockId
  std::vector<TokenId> tokens_;   // [capacity][block_tokens]
  std::vector<BlockId> buckets_;  // a power of two >= capacity; heads of chains of entries
};

}  // namespace quire
