#include "cache/prefix_cache.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.h"

namespace quire {

PrefixCache::PrefixCache(BlockPool& pool, uint32_t block_tokens, uint32_t name_bits)
    : pool_(pool),
      block_tokens_(block_tokens),
      name_bits_(name_bits),
      entries_(pool.capacity()),
      tokens_(size_t{pool.capacity()} * block_tokens),
      buckets_(std::bit_ceil(size_t{pool.capacity()}), kNoBlock) {
  QUIRE_CHECK(block_tokens > 0 && name_bits > 0 && name_bits <= 256);
}

uint32_t PrefixCache::Match(const BlockNames& names, std::span<const TokenId> tokens,
                            BlockTable& table) {
  QUIRE_CHECK(table.empty(), "Match fills a table from its start");
  if (tokens.empty()) return 0;
  const uint32_t limit = static_cast<uint32_t>((tokens.size() - 1) / block_tokens_);
  Link parent;
  for (uint32_t i = 0; i < limit; ++i) {
    const Key key = KeyOf(names, i, tokens, parent);
    const BlockId found = Find(key.name);
    if (found == kNoBlock || !IsSame(found, key)) break;
    pool_.Acquire(found);
    table.Append(found);
    parent = LinkTo(found);
  }
  table.SetNumNamed(table.size());
  return table.size() * block_tokens_;
}

uint32_t PrefixCache::CountCached(const BlockNames& names, std::span<const TokenId> tokens) const {
  const size_t limit = tokens.empty() ? 0 : (tokens.size() - 1) / block_tokens_;
  Link parent;
  uint32_t count = 0;
  for (; count < limit; ++count) {
    const Key key = KeyOf(names, count, tokens, parent);
    const BlockId found = Find(key.name);
    if (found == kNoBlock || !IsSame(found, key)) break;
    parent = LinkTo(found);
  }
  return count * block_tokens_;
}

void PrefixCache::Commit(const BlockNames& names, std::span<const TokenId> tokens,
                         uint32_t computed_tokens, BlockTable& table) {
  const uint32_t full = computed_tokens / block_tokens_;
  const uint32_t named = table.num_named();
  QUIRE_CHECK(computed_tokens <= tokens.size() && full <= table.size());
  Link parent = named == 0 ? Link{} : LinkTo(table[named - 1]);
  for (uint32_t i = named; i < full; ++i) {
    const Key key = KeyOf(names, i, tokens, parent);
    if (!NameOrSwap(table, i, key)) return;
    table.SetNumNamed(i + 1);
    parent = LinkTo(table[i]);
  }
}

// Makes block i of `table` the one that `key` finds. False if it must stay unnamed: then so must
// all blocks after it, whose parent it is.
bool PrefixCache::NameOrSwap(BlockTable& table, uint32_t i, const Key& key) {
  const BlockId ours = table[i];
  QUIRE_CHECK(!pool_.is_named(ours), "C2: the table does not know that its block is named");
  if (pool_.ref_count(ours) > 1) return false;
  const BlockId found = Find(key.name);
  if (found == kNoBlock) {
    Insert(ours, key);
    return true;
  }
  if (!IsSame(found, key)) return false;  // C1: a foreign block has the name
  pool_.Acquire(found);
  table.Replace(i, found);
  pool_.Release(ours);
  return true;
}

void PrefixCache::NoteBrought(const BlockTable& table, uint32_t first) {
  for (uint32_t i = first; i < table.num_named(); ++i) entries_[Index(table[i])].brought = true;
}

uint32_t PrefixCache::TakeBrought(const BlockTable& table) {
  uint32_t taken = 0;
  for (uint32_t i = 0; i < table.num_named(); ++i) {
    taken += std::exchange(entries_[Index(table[i])].brought, false) ? 1 : 0;
  }
  return taken;
}

BlockName PrefixCache::Forget(BlockId block) {
  QUIRE_CHECK(pool_.is_named(block) && pool_.ref_count(block) <= 1,
              "a block that several have is not forgotten");
  Entry& entry = entries_[Index(block)];
  QUIRE_CHECK(entry.num_children == 0, "C3: eviction would orphan a child");
  BlockId* at = &BucketOf(entry.name);
  while (*at != block) {
    QUIRE_CHECK(*at != kNoBlock, "C1: a named block is missing from its bucket");
    at = &entries_[Index(*at)].next_in_bucket;
  }
  *at = entry.next_in_bucket;
  if (entry.parent != kNoBlock) --entries_[Index(entry.parent)].num_children;
  const BlockName name = entry.name;
  entry = Entry{};
  --num_named_;
  return name;
}

PrefixCache::Link PrefixCache::LinkTo(BlockId block) const {
  const Entry& entry = entries_[Index(block)];
  QUIRE_CHECK(entry.serial != 0, "C2: a block counted as named is not");
  return Link{entry.serial, block};
}

PrefixCache::Key PrefixCache::KeyOf(const BlockNames& names, uint32_t i,
                                    std::span<const TokenId> tokens, const Link& parent) const {
  const BlockName& name = names.Of(i, tokens, block_tokens_);
  return Key{name_bits_ == 256 ? name : TruncateName(name, name_bits_), names.RootOf(i), parent,
             tokens.subspan(size_t{i} * block_tokens_, block_tokens_)};
}

BlockId PrefixCache::Find(const BlockName& name) const {
  BlockId block = buckets_[HashOf(name) & (buckets_.size() - 1)];
  while (block != kNoBlock && entries_[Index(block)].name != name) {
    block = entries_[Index(block)].next_in_bucket;
  }
  return block;
}

bool PrefixCache::IsSame(BlockId block, const Key& key) const {
  const Entry& entry = entries_[Index(block)];
  return entry.root == key.root && entry.parent_serial == key.parent.serial &&
         std::ranges::equal(TokensOf(block), key.tokens);
}

void PrefixCache::Insert(BlockId block, const Key& key) {
  pool_.SetNamed(block);
  BlockId& bucket = BucketOf(key.name);
  entries_[Index(block)] = Entry{.name = key.name,
                                 .root = key.root,
                                 .serial = ++last_serial_,
                                 .parent_serial = key.parent.serial,
                                 .parent = key.parent.block,
                                 .num_children = 0,
                                 .next_in_bucket = bucket,
                                 .brought = false};
  bucket = block;
  if (key.parent.block != kNoBlock) ++entries_[Index(key.parent.block)].num_children;
  std::ranges::copy(key.tokens, tokens_.begin() + size_t{Index(block)} * block_tokens_);
  ++num_named_;
}

BlockId& PrefixCache::BucketOf(const BlockName& name) {
  return buckets_[HashOf(name) & (buckets_.size() - 1)];
}

std::span<const TokenId> PrefixCache::TokensOf(BlockId block) const {
  return std::span(tokens_).subspan(size_t{Index(block)} * block_tokens_, block_tokens_);
}

void PrefixCache::CheckEntry(BlockId block) const {
  const Entry& entry = entries_[Index(block)];
  QUIRE_CHECK(!pool_.is_free(block), "C1: a named block is free");
  QUIRE_CHECK(Find(entry.name) == block, "C1: two blocks have one name");
  QUIRE_CHECK((entry.parent == kNoBlock) == (entry.parent_serial == 0), "C3: half a parent");
  if (entry.parent == kNoBlock) return;
  const Entry& parent = entries_[Index(entry.parent)];
  QUIRE_CHECK(parent.serial == entry.parent_serial, "C3: the parent was evicted first");
  QUIRE_CHECK(pool_.ref_count(entry.parent) >= pool_.ref_count(block) &&
                  pool_.pin_count(entry.parent) >= pool_.pin_count(block),
              "C3: a block is held by more than its parent");
}

void PrefixCache::CheckInvariants() const {
  uint32_t named = 0;
  std::vector<uint32_t> children(entries_.size());
  for (uint32_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    QUIRE_CHECK((entry.serial != 0) == pool_.is_named(BlockId{i}), "C1: pool and cache disagree");
    if (entry.serial == 0) continue;
    ++named;
    CheckEntry(BlockId{i});
    if (entry.parent != kNoBlock) ++children[Index(entry.parent)];
  }
  QUIRE_CHECK(named == num_named_, "C1: the count is wrong");
  for (uint32_t i = 0; i < entries_.size(); ++i) {
    QUIRE_CHECK(children[i] == entries_[i].num_children, "C3: the number of children is wrong");
  }
}

}  // namespace quire
