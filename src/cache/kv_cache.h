// cache/kv_cache.h -- the memory of sequences: find, grow, share, keep, give back.
//
// The one door to BlockPool, PrefixCache and EvictionOrder for the scheduler. It owns the rules
// that make eviction safe: tables are released from the tail, and victims are leaves
// (prefix_cache.h, C3).
//
//   Match    an empty table takes the cached prefix of some tokens
//   Fork     an empty table takes the first blocks of another one
//   Grow     new blocks at the end, evicting idle ones if none are free
//   Commit   full blocks become findable
//   Keep     its named blocks are the last of their owner's to be evicted, until some time
//   Pin      its named blocks stay, until Unpin
//   Forget   named blocks are not found any more
//   Release  all blocks go back
//
// A table's owner pays for the blocks that Grow adds, also after they became idle. Owners and
// scopes are the caller's to keep together: a scope belongs to one owner.
//
// Invariants (CheckInvariants): P, C, E of the parts, and
//   K1  the idle blocks without children are exactly those that the eviction order holds.
//   K2  no owner uses more than its limit, unless the limit was lowered.
//
// Threads  none. Errors  none; Grow and Pin may refuse, and then changed nothing.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/token_id.h"
#include "cache/awaited_blocks.h"
#include "cache/block_names.h"
#include "cache/block_pool.h"
#include "cache/block_table.h"
#include "cache/eviction_order.h"
#include "cache/prefix_cache.h"
#include "cache/quota.h"
#include "cache/scope.h"
#include "cache/seen_blocks.h"

namespace quire {

// For whom a block was evicted.
enum class EvictionReason : uint8_t { kPrefill, kDecode, kPurge };
inline constexpr size_t kEvictionReasons = 3;

enum class PinId : uint64_t {};

struct KvCacheOptions {
  uint32_t capacity_blocks = 0;
  uint32_t block_tokens = kBlockTokens;
  uint32_t name_bits = 256;  // fewer only in tests
};

// Counts since the start.
struct KvCacheCounts {
  std::array<uint64_t, kEvictionReasons> evictions{};  // blocks, by EvictionReason
  uint64_t foreign_evictions = 0;                      // of those, for another owner
  uint64_t failed_grows = 0;                           // Grow refused
};

// Blocks [first, end) of `table` that have just become findable; all but `first` and `end` are
// what they were committed with.
struct CommittedBlocks {
  const BlockNames& names;
  std::span<const TokenId> tokens;
  const BlockTable& table;
  uint32_t first = 0;
  uint32_t end = 0;
};

// Told of blocks as they become findable, from within Commit: it may ask the cache, not change it.
// Not of those whose table does not go below.
class CommitListener {
 public:
  virtual ~CommitListener() = default;
  virtual void OnCommitted(const CommittedBlocks& blocks) = 0;
};

class KvCache : private IdleListener {
 public:
  // `policy` null: the least recently used leaf first.
  explicit KvCache(const KvCacheOptions& options, std::unique_ptr<EvictionPolicy> policy = nullptr);
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  OwnerId AddOwner(const Quota& quota);  // kFirstOwner is there from the start, without bounds
  void SetQuota(OwnerId owner, const Quota& quota) { order_.SetQuota(owner, quota); }
  const Quota& quota(OwnerId owner) const { return order_.quota(owner); }

  // What time it is from now on; never goes back.
  void SetTime(TickMs now);
  TickMs now() const { return now_; }

  void SetListener(CommitListener* listener) { listener_ = listener; }  // outlives the cache

  // PrefixCache::Match. Returns the tokens found.
  uint32_t Match(const BlockNames& names, std::span<const TokenId> tokens, BlockTable& table);

  // The tokens that Match would find. Changes nothing.
  uint32_t CountCached(const BlockNames& names, std::span<const TokenId> tokens) const;

  // Why block i of `tokens`, which Match did not find, is not here.
  SeenBlocks::Finding WhyMissed(const BlockNames& names, std::span<const TokenId> tokens,
                                uint32_t i) const;

  // Shares the first `num_blocks` blocks of `from`, which must be full of the same tokens in both.
  void Fork(const BlockTable& from, uint32_t num_blocks, BlockTable& to);

  // Makes `table` cover `num_tokens` tokens. False, and nothing changed, if even evicting all that
  // may be evicted for its owner would not do, or its owner's limit forbids it.
  [[nodiscard]] bool Grow(BlockTable& table, uint32_t num_tokens, EvictionReason reason);

  // PrefixCache::NoteBrought and TakeBrought.
  void NoteBrought(const BlockTable& table, uint32_t first) { prefixes_.NoteBrought(table, first); }
  uint32_t TakeBrought(const BlockTable& table) { return prefixes_.TakeBrought(table); }

  // PrefixCache::Commit.
  void Commit(const BlockNames& names, std::span<const TokenId> tokens, uint32_t computed_tokens,
              BlockTable& table);

  // Once released, the named blocks of `table` are evicted after all others of their owner, until
  // then. A later time that was asked for earlier stands.
  void Keep(const BlockTable& table, const Keeping& keeping);

  // Holds the first `num_blocks` blocks of `table`, which are named, until Unpin. False if its
  // owner may not pin that many more. O(num_blocks).
  [[nodiscard]] bool Pin(const BlockTable& table, uint32_t num_blocks, PinId& pin);
  void Unpin(PinId pin);  // once

  // Gives every block back, the last one first, and leaves the table empty.
  void Release(BlockTable& table);

  // Undoes Commit for the blocks from `first` on, which no other table may have and no pin hold.
  void Forget(BlockTable& table, uint32_t first);

  // Forgets the idle blocks of `owner` and returns them: their bytes are to be wiped. Those that
  // are live or pinned stay.
  std::vector<BlockId> Purge(OwnerId owner);

  uint32_t BlocksFor(uint64_t num_tokens) const {
    return static_cast<uint32_t>((num_tokens + options_.block_tokens - 1) / options_.block_tokens);
  }
  uint32_t block_tokens() const { return options_.block_tokens; }
  // By how much tables of `owner` could grow now, in all.
  uint32_t available(OwnerId owner = kFirstOwner) const;
  // Of these, idle blocks of its own that are kept for a tool's return whose time is not over.
  uint32_t awaited(OwnerId owner) const { return awaited_.count(owner); }
  // The most blocks `owner` can come to use, with all others down to what is theirs for good.
  uint32_t attainable(OwnerId owner = kFirstOwner) const;
  // Whether `blocks` more would be within the owner's limit, once its idle ones are gone.
  bool IsWithinLimit(OwnerId owner, uint32_t blocks) const;
  double Pressure(OwnerId owner) const { return order_.Pressure(owner); }
  // Whether `blocks` more are within the owner's guarantee, but would cost it idle ones of its own.
  bool CostsGuaranteed(OwnerId owner, uint32_t blocks) const;
  // By how much its tables could grow without that.
  uint32_t growth_without_own(OwnerId owner) const {
    return pool_.num_free() + order_.ReclaimableOfOthers(owner);
  }
  // Blocks beyond the owner's guarantee that are in use.
  uint32_t in_use_beyond(OwnerId owner) const { return order_.InUseBeyond(owner); }
  // Whether `block` is findable under `name`: its bytes are those of that name until it is not.
  bool Holds(BlockId block, const BlockName& name) const {
    return pool_.is_named(block) && prefixes_.name_of(block) == name;
  }

  // Of a named block: the one before it in its chain, or kNoBlock; its name; how it was used.
  BlockId parent_of(BlockId block) const { return prefixes_.parent_of(block); }
  const BlockName& name_of(BlockId block) const { return prefixes_.name_of(block); }
  const BlockUse& use_of(BlockId block) const { return uses_[Index(block)]; }

  const BlockPool& pool() const { return pool_; }
  const KvCacheCounts& counts() const { return counts_; }
  // Blocks that pins of `owner` hold, live ones too.
  uint32_t num_pins(OwnerId owner) const { return pinned_[Index(owner)]; }

  void CheckInvariants() const;  // O(capacity)

 private:
  void OnIdle(BlockId block) override;
  void OnTaken(BlockId block) override;
  void Evict(BlockId victim, EvictionReason reason, OwnerId wanted_by);
  void NoteSeen(BlockId block, SeenBlocks::Fate fate);
  bool IsOrdered(BlockId block) const;
  void NoteText(const BlockNames& names, std::span<const TokenId> tokens, BlockTable& table);

  const KvCacheOptions options_;
  CommitListener* listener_ = nullptr;
  BlockPool pool_;
  PrefixCache prefixes_;
  EvictionOrder order_;
  KvCacheCounts counts_;
  TickMs now_ = 0;
  uint64_t last_serial_ = 0;
  std::vector<BlockUse> uses_;    // [capacity], of named blocks
  std::vector<Keeping> keeping_;  // [capacity], of named blocks
  AwaitedBlocks awaited_;
  SeenBlocks seen_;
  std::vector<uint64_t> fingerprints_;  // [capacity], of named blocks
  std::vector<BlockId> grown_;          // scratch of Grow and Commit; [capacity]
  std::vector<uint64_t> noted_names_;   // scratch of NoteText; [capacity]
  std::vector<BlockUse> noted_uses_;    // the same
  std::vector<uint32_t> pinned_;        // by owner: distinct blocks held by pins
  uint64_t last_pin_ = 0;
  std::unordered_map<PinId, std::vector<BlockId>> pins_;
};

}  // namespace quire
