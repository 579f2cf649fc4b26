#include "cache/kv_cache.h"

#include <gtest/gtest.h>

#include <list>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace quire {
namespace {

constexpr uint32_t kTokensPerBlock = 2;

Scope ScopeOf(int number) {
  Scope scope;
  scope.root.bytes[0] = static_cast<std::byte>(number + 1);
  return scope;
}

KvCacheOptions Options(uint32_t capacity, uint32_t name_bits = 256) {
  return {.capacity_blocks = capacity, .block_tokens = kTokensPerBlock, .name_bits = name_bits};
}

TEST(KvCache, FindsWhatWasCommittedAndLeavesOneTokenToCompute) {
  KvCache cache(Options(8));
  const std::vector<TokenId> tokens{1, 2, 3, 4, 5, 6};
  BlockTable table;
  ASSERT_TRUE(cache.Grow(table, 6, EvictionReason::kPrefill));
  cache.Commit(ScopeOf(0), tokens, 6, table);
  EXPECT_EQ(table.num_runs(), 1u);

  BlockTable again;
  EXPECT_EQ(cache.Match(ScopeOf(0), tokens, again), 4u);
  EXPECT_EQ(again[0], table[0]);
  EXPECT_EQ(again[1], table[1]);
  BlockTable foreign;
  EXPECT_EQ(cache.Match(ScopeOf(1), tokens, foreign), 0u);
  cache.Release(again);
  cache.Release(table);
  EXPECT_EQ(cache.pool().num_idle(), 3u);
  cache.CheckInvariants();
}

TEST(KvCache, WhatIsForgottenIsFoundByNobodyAndStaysInItsTable) {
  KvCache cache(Options(8));
  const std::vector<TokenId> tokens{1, 2, 3, 4, 5, 6, 7, 8, 9};
  BlockTable table;
  ASSERT_TRUE(cache.Grow(table, 8, EvictionReason::kPrefill));
  cache.Commit(ScopeOf(0), tokens, 8, table);
  cache.Forget(table, 1);
  EXPECT_EQ(cache.CountCached(ScopeOf(0), tokens), 2u);
  EXPECT_EQ(table.size(), 4u);
  EXPECT_EQ(table.num_named(), 1u);
  EXPECT_EQ(cache.pool().num_live(), 4u);
  cache.CheckInvariants();
  cache.Commit(ScopeOf(0), tokens, 8, table);
  EXPECT_EQ(cache.CountCached(ScopeOf(0), tokens), 8u) << "once it is there again";
  cache.Forget(table, 2);
  cache.Release(table);
  EXPECT_EQ(cache.pool().num_idle(), 2u);
  EXPECT_EQ(cache.pool().num_free(), 6u);
  cache.CheckInvariants();
}

TEST(KvCache, EvictsTailsBeforeThePrefixTheyHangOn) {
  KvCache cache(Options(4));
  const std::vector<TokenId> tokens{1, 2, 3, 4, 5, 6, 7, 8};
  BlockTable table;
  ASSERT_TRUE(cache.Grow(table, 8, EvictionReason::kPrefill));
  cache.Commit(ScopeOf(0), tokens, 8, table);
  cache.Release(table);

  BlockTable other;
  ASSERT_TRUE(cache.Grow(other, 4, EvictionReason::kDecode));
  EXPECT_EQ(cache.counts().evictions[static_cast<size_t>(EvictionReason::kDecode)], 2u);
  EXPECT_EQ(cache.Match(ScopeOf(0), tokens, table), 4u) << "the head of the chain must survive";
  cache.Release(table);
  cache.Release(other);
}

TEST(KvCache, TheLaterOfTwoEqualBlocksIsGivenBack) {
  KvCache cache(Options(8));
  const std::vector<TokenId> tokens{1, 2, 3, 4, 5};
  BlockTable first;
  BlockTable second;
  ASSERT_TRUE(cache.Grow(first, 5, EvictionReason::kPrefill));
  ASSERT_TRUE(cache.Grow(second, 5, EvictionReason::kPrefill));
  cache.Commit(ScopeOf(0), tokens, 4, first);
  cache.Commit(ScopeOf(0), tokens, 4, second);
  EXPECT_EQ(second[0], first[0]);
  EXPECT_EQ(second[1], first[1]);
  EXPECT_NE(second[2], first[2]) << "the unfinished block stays its own";
  EXPECT_EQ(cache.pool().num_free(), 4u);
  cache.Release(first);
  cache.Release(second);
  cache.CheckInvariants();
}

TEST(KvCache, GrowChangesNothingWhenItRefuses) {
  KvCache cache(Options(3));
  BlockTable table;
  ASSERT_TRUE(cache.Grow(table, 3, EvictionReason::kPrefill));
  EXPECT_FALSE(cache.Grow(table, 8, EvictionReason::kPrefill));
  EXPECT_EQ(table.size(), 2u);
  EXPECT_EQ(cache.counts().failed_grows, 1u);
  cache.Release(table);
  EXPECT_EQ(cache.pool().num_free(), 3u);
}

TEST(KvCache, ForkSharesBlocksWhetherNamedOrNot) {
  KvCache cache(Options(4));
  BlockTable first;
  ASSERT_TRUE(cache.Grow(first, 5, EvictionReason::kPrefill));
  BlockTable second;
  cache.Fork(first, 2, second);
  ASSERT_TRUE(cache.Grow(second, 6, EvictionReason::kPrefill));
  EXPECT_EQ(cache.pool().num_free(), 0u);
  const std::vector<TokenId> tokens{1, 2, 3, 4, 5};
  cache.Commit(ScopeOf(0), tokens, 4, first);
  EXPECT_EQ(first.num_named(), 0u) << "a shared unnamed block stays unnamed";
  cache.Release(first);
  EXPECT_EQ(cache.pool().num_free(), 1u);
  cache.Release(second);
  EXPECT_EQ(cache.pool().num_free(), 4u);
}

// What a block holds: the scope and every token up to its end, spelled out. Stands for its KV.
std::string Bytes(int scope, const std::vector<TokenId>& tokens, uint32_t num_blocks) {
  std::string bytes(1, static_cast<char>('A' + scope));
  for (uint32_t i = 0; i < num_blocks * kTokensPerBlock; ++i) {
    bytes.push_back(static_cast<char>('a' + tokens[i]));
  }
  return bytes;
}

// The same cache over spelled-out prefixes instead of block ids: what must be there and what not.
class NaiveCache {
 public:
  // A block a table holds: found by its prefix if named, else private to the tables that share it.
  struct Held {
    std::string prefix;            // empty: unnamed
    std::shared_ptr<int> unnamed;  // counts as one block however many tables share it
  };
  using Table = std::vector<Held>;

  explicit NaiveCache(uint32_t capacity) : capacity_(capacity) {}

  uint32_t NumIdle() const { return static_cast<uint32_t>(idle_.size()); }
  uint32_t NumFree() const {
    return capacity_ - static_cast<uint32_t>(refs_.size()) - unnamed_.use_count_sum();
  }

  uint32_t Match(int scope, const std::vector<TokenId>& tokens, Table& table) {
    for (uint32_t n = 1; n * kTokensPerBlock < tokens.size(); ++n) {
      const std::string prefix = Bytes(scope, tokens, n);
      if (!refs_.contains(prefix)) break;
      Acquire(prefix);
      table.push_back({prefix, nullptr});
    }
    return static_cast<uint32_t>(table.size()) * kTokensPerBlock;
  }

  bool Grow(Table& table, uint32_t num_tokens) {
    const uint32_t wanted = (num_tokens + kTokensPerBlock - 1) / kTokensPerBlock;
    if (wanted <= table.size()) return true;
    const uint32_t missing = wanted - static_cast<uint32_t>(table.size());
    if (missing > NumFree() + NumIdle()) return false;
    while (NumFree() < missing) {
      refs_.erase(idle_.front());
      idle_.pop_front();
    }
    for (uint32_t i = 0; i < missing; ++i) table.push_back({"", unnamed_.New()});
    return true;
  }

  void Commit(int scope, const std::vector<TokenId>& tokens, uint32_t computed, Table& table) {
    for (uint32_t i = 0; i < computed / kTokensPerBlock; ++i) {
      if (!table[i].prefix.empty()) continue;
      if (table[i].unnamed.use_count() > 1) return;
      const std::string prefix = Bytes(scope, tokens, i + 1);
      Acquire(prefix);
      table[i] = {prefix, nullptr};
    }
  }

  void Fork(const Table& from, uint32_t num_blocks, Table& to) {
    to.assign(from.begin(), from.begin() + num_blocks);
    for (const Held& held : to) {
      if (!held.prefix.empty()) ++refs_[held.prefix];
    }
  }

  void Release(Table& table) {
    for (; !table.empty(); table.pop_back()) {
      const std::string& prefix = table.back().prefix;
      if (!prefix.empty() && --refs_[prefix] == 0) idle_.push_back(prefix);
    }
  }

 private:
  // Hands out tokens whose live ones can be counted.
  class Unnamed {
   public:
    std::shared_ptr<int> New() {
      ++count_;
      return std::shared_ptr<int>(new int(0), [this](const int* p) {
        delete p;
        --count_;
      });
    }
    uint32_t use_count_sum() const { return count_; }

   private:
    uint32_t count_ = 0;
  };

  void Acquire(const std::string& prefix) {
    if (refs_[prefix]++ == 0) idle_.remove(prefix);
  }

  const uint32_t capacity_;
  std::map<std::string, uint32_t> refs_;  // named blocks
  std::list<std::string> idle_;           // longest idle first
  Unnamed unnamed_;
};

// One sequence in both worlds.
struct Twin {
  int scope = 0;
  std::vector<TokenId> tokens;
  uint32_t computed = 0;
  bool store = true;
  BlockTable table;
  NaiveCache::Table naive;
};

class World {
 public:
  World(uint32_t capacity, uint32_t name_bits, uint32_t seed)
      : exact_(name_bits == 256),
        cache_(Options(capacity, name_bits)),
        naive_(capacity),
        bytes_(capacity),
        random_(seed) {}

  ~World() {
    for (Twin& twin : twins_) Release(twin);
    EXPECT_EQ(cache_.pool().num_live(), 0u) << "a block leaked";
  }

  void Step() {
    const uint32_t choice = random_() % 10;
    if (twins_.empty() || (choice < 3 && twins_.size() < 6)) {
      Start();
    } else if (choice < 4 && twins_.size() < 6) {
      ForkOne(Any());
    } else if (choice < 8) {
      Advance(Any());
    } else {
      const uint32_t victim = random_() % twins_.size();
      Release(twins_[victim]);
      std::swap(twins_[victim], twins_.back());
      twins_.pop_back();
    }
    Check();
  }

  uint64_t hits() const { return hits_; }
  uint64_t evictions() const { return cache_.counts().evictions[0]; }

 private:
  Twin& Any() { return twins_[random_() % twins_.size()]; }

  void Start() {
    Twin twin;
    twin.scope = random_() % 2;
    twin.store = random_() % 8 != 0;
    twin.tokens.resize(1 + random_() % 16);
    for (TokenId& token : twin.tokens) token = random_() % 8 == 0 ? 1 : 0;
    twin.computed = cache_.Match(ScopeOf(twin.scope), twin.tokens, twin.table);
    ASSERT_LT(twin.computed, twin.tokens.size());
    hits_ += twin.table.size();
    if (exact_) {
      ASSERT_EQ(naive_.Match(twin.scope, twin.tokens, twin.naive), twin.computed);
    }
    twins_.push_back(std::move(twin));
    CheckBytes(twins_.back());
  }

  void ForkOne(const Twin& from) {
    Twin twin;
    twin.scope = from.scope;
    twin.tokens = from.tokens;
    twin.store = from.store;
    const uint32_t blocks =
        std::min<uint32_t>(from.computed, static_cast<uint32_t>(from.tokens.size()) - 1) /
        kTokensPerBlock;
    twin.computed = blocks * kTokensPerBlock;
    cache_.Fork(from.table, blocks, twin.table);
    if (exact_) naive_.Fork(from.naive, blocks, twin.naive);
    if (random_() % 2 == 0) twin.tokens.back() ^= 1;
    twins_.push_back(std::move(twin));
  }

  // Computes some tokens, perhaps beyond the prompt, and perhaps commits.
  void Advance(Twin& twin) {
    uint32_t target = twin.computed + 1 + random_() % 5;
    while (twin.tokens.size() < target) twin.tokens.push_back(random_() % 8 == 0 ? 1 : 0);
    const bool grown = cache_.Grow(twin.table, target, EvictionReason::kPrefill);
    if (exact_) {
      ASSERT_EQ(naive_.Grow(twin.naive, target), grown);
    }
    if (!grown) return;
    for (uint32_t i = twin.computed / kTokensPerBlock; i < target / kTokensPerBlock; ++i) {
      ASSERT_FALSE(cache_.pool().is_named(twin.table[i])) << "C2: a named block was written";
      bytes_[Index(twin.table[i])] = Bytes(twin.scope, twin.tokens, i + 1);
    }
    twin.computed = target;
    if (!twin.store || random_() % 4 == 0) return;
    cache_.Commit(ScopeOf(twin.scope), twin.tokens, target, twin.table);
    if (exact_) naive_.Commit(twin.scope, twin.tokens, target, twin.naive);
    CheckBytes(twin);
  }

  void Release(Twin& twin) {
    cache_.Release(twin.table);
    if (exact_) naive_.Release(twin.naive);
    twin.computed = 0;
  }

  // Every full block of the sequence holds exactly its own prefix: no foreign KV.
  void CheckBytes(const Twin& twin) {
    for (uint32_t i = 0; i < twin.computed / kTokensPerBlock; ++i) {
      ASSERT_EQ(bytes_[Index(twin.table[i])], Bytes(twin.scope, twin.tokens, i + 1));
    }
  }

  void Check() {
    cache_.CheckInvariants();
    if (exact_) {
      ASSERT_EQ(cache_.pool().num_free(), naive_.NumFree());
      ASSERT_EQ(cache_.pool().num_idle(), naive_.NumIdle());
    }
  }

  const bool exact_;
  uint64_t hits_ = 0;  // blocks
  KvCache cache_;
  NaiveCache naive_;
  std::vector<std::string> bytes_;  // [capacity]
  std::mt19937 random_;
  std::vector<Twin> twins_;
};

void RunWorld(uint32_t capacity, uint32_t name_bits, int steps) {
  World world(capacity, name_bits, capacity + name_bits);
  for (int step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) world.Step();
  EXPECT_GT(world.hits(), static_cast<uint64_t>(steps) / 20);
  EXPECT_GT(world.evictions(), static_cast<uint64_t>(steps) / 20);
}

TEST(KvCache, EqualsANaiveModelUnderRandomOperations) {
  RunWorld(24, 256, 500'000);
  RunWorld(7, 256, 200'000);
}

TEST(KvCache, CollidingNamesNeverReturnForeignKv) {
  RunWorld(24, 8, 300'000);
  RunWorld(40, 8, 200'000);
}

}  // namespace
}  // namespace quire
