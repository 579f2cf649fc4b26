// cache/kv_cache.h -- the memory of sequences: find, grow, share, keep, give back.
//
// The one door to BlockPool and PrefixCache for the scheduler. It owns the two rules that make
// eviction safe: tables are released from the tail, and victims are the longest idle blocks, which
// are then always leaves (prefix_cache.h, C3).
//
//   Match    an empty table takes the cached prefix of some tokens
//   Fork     an empty table takes the first blocks of another one
//   Grow     new blocks at the end, evicting idle ones if none are free
//   Commit   full blocks become findable
//   Release  all blocks go back
//
// Threads  none. Errors  none; Grow may answer false, and then changed nothing.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/token_id.h"
#include "cache/block_names.h"
#include "cache/block_pool.h"
#include "cache/block_table.h"
#include "cache/prefix_cache.h"
#include "cache/scope.h"

namespace quire {

// For whom a block was evicted.
enum class EvictionReason : uint8_t { kPrefill, kDecode };
inline constexpr size_t kEvictionReasons = 2;

struct KvCacheOptions {
  uint32_t capacity_blocks = 0;
  uint32_t block_tokens = kBlockTokens;
  uint32_t name_bits = 256;  // fewer only in tests
};

// Counts since the start.
struct KvCacheCounts {
  std::array<uint64_t, kEvictionReasons> evictions{};  // blocks, by EvictionReason
  uint64_t failed_grows = 0;                           // Grow answered false
};

class KvCache {
 public:
  explicit KvCache(const KvCacheOptions& options);
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  // PrefixCache::Match. Returns the tokens found.
  uint32_t Match(const BlockNames& names, std::span<const TokenId> tokens, BlockTable& table);

  // Shares the first `num_blocks` blocks of `from`, which must be full of the same tokens in both.
  void Fork(const BlockTable& from, uint32_t num_blocks, BlockTable& to);

  // Makes `table` cover `num_tokens` tokens. False, and nothing changed, if even evicting every
  // idle block would not do.
  [[nodiscard]] bool Grow(BlockTable& table, uint32_t num_tokens, EvictionReason reason);

  // PrefixCache::Commit.
  void Commit(const BlockNames& names, std::span<const TokenId> tokens, uint32_t computed_tokens,
              BlockTable& table);

  // Gives every block back, the last one first, and leaves the table empty.
  void Release(BlockTable& table);

  uint32_t BlocksFor(uint64_t num_tokens) const {
    return static_cast<uint32_t>((num_tokens + options_.block_tokens - 1) / options_.block_tokens);
  }
  uint32_t block_tokens() const { return options_.block_tokens; }
  uint32_t available() const { return pool_.num_free() + pool_.num_idle(); }  // for Grow
  const BlockPool& pool() const { return pool_; }
  const KvCacheCounts& counts() const { return counts_; }

  void CheckInvariants() const;  // P, C; O(capacity)

 private:
  void EvictOldest(EvictionReason reason);

  const KvCacheOptions options_;
  BlockPool pool_;
  PrefixCache prefixes_;
  KvCacheCounts counts_;
  std::vector<BlockId> grown_;  // scratch of Grow; [capacity]
};

}  // namespace quire
