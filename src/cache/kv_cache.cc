#include "cache/kv_cache.h"

#include "base/check.h"

namespace quire {

KvCache::KvCache(const KvCacheOptions& options)
    : options_(options),
      pool_(options.capacity_blocks),
      prefixes_(pool_, options.block_tokens, options.name_bits),
      grown_(options.capacity_blocks) {}

uint32_t KvCache::Match(const BlockNames& names, std::span<const TokenId> tokens,
                        BlockTable& table) {
  const uint32_t found = prefixes_.Match(names, tokens, table);
  QUIRE_CHECK(found == 0 || found < tokens.size());
  return found;
}

void KvCache::Fork(const BlockTable& from, uint32_t num_blocks, BlockTable& to) {
  QUIRE_CHECK(to.empty() && num_blocks <= from.size());
  for (uint32_t i = 0; i < num_blocks; ++i) {
    pool_.Acquire(from[i]);
    to.Append(from[i]);
  }
  to.SetNumNamed(num_blocks < from.num_named() ? num_blocks : from.num_named());
}

bool KvCache::Grow(BlockTable& table, uint32_t num_tokens, EvictionReason reason) {
  const uint32_t wanted = BlocksFor(num_tokens);
  if (wanted <= table.size()) return true;
  const uint32_t missing = wanted - table.size();
  if (missing > available()) {
    ++counts_.failed_grows;
    return false;
  }
  while (pool_.num_free() < missing) EvictOldest(reason);
  const std::span<BlockId> blocks = std::span(grown_).first(missing);
  QUIRE_CHECK(pool_.Allocate(table.last(), blocks));
  for (const BlockId block : blocks) table.Append(block);
  return true;
}

void KvCache::EvictOldest(EvictionReason reason) {
  const BlockId victim = pool_.oldest_idle();
  QUIRE_CHECK(victim != kNoBlock);
  (void)prefixes_.Forget(victim);
  pool_.Recycle(victim);
  ++counts_.evictions[static_cast<size_t>(reason)];
}

void KvCache::Commit(const BlockNames& names, std::span<const TokenId> tokens,
                     uint32_t computed_tokens, BlockTable& table) {
  prefixes_.Commit(names, tokens, computed_tokens, table);
}

void KvCache::Release(BlockTable& table) {
  while (!table.empty()) {
    pool_.Release(table.last());
    table.RemoveLast();
  }
}

void KvCache::CheckInvariants() const {
  pool_.CheckInvariants();
  prefixes_.CheckInvariants();
}

}  // namespace quire
