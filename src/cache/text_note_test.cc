// What KvCache tells its policy of texts: each once, with all its full blocks, when it is read.
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "cache/eviction/lru_policy.h"
#include "cache/eviction/make_policy.h"
#include "cache/kv_cache.h"

namespace quire {
namespace {

struct Noted {
  std::vector<uint64_t> names;
  std::vector<BlockUse> uses;
  uint32_t found = 0;
  bool starts = false;
  TickMs now = 0;
};

// An LRU that writes down what it is told, and says of lost blocks that they were read 7 times.
class RecordingPolicy : public LruPolicy {
 public:
  RecordingPolicy(uint32_t capacity, std::vector<Noted>& noted)
      : LruPolicy(capacity), noted_(noted) {}

  void Add(BlockId leaf, OwnerId owner, const BlockUse& use) override {
    last_added = use;
    LruPolicy::Add(leaf, owner, use);
  }
  void NoteText(const TextNote& text, TickMs now) override {
    noted_.push_back({{text.names.begin(), text.names.end()},
                      {text.uses.begin(), text.uses.end()},
                      text.found,
                      text.starts,
                      now});
    for (size_t i = text.found; i < text.uses.size(); ++i) text.uses[i].hits = 7;
  }

  BlockUse last_added;

 private:
  std::vector<Noted>& noted_;
};

class TextNotes : public testing::Test {
 protected:
  TextNotes() : TextNotes(std::make_unique<RecordingPolicy>(16, noted_)) {}
  explicit TextNotes(std::unique_ptr<RecordingPolicy> policy)
      : policy_(*policy), cache_({.capacity_blocks = 16, .block_tokens = 2}, std::move(policy)) {}

  // As a sequence does: look up, make room, compute all.
  void Read(const std::vector<TokenId>& tokens, BlockTable& table) {
    const Scope scope;
    cache_.Match(scope, tokens, table);
    ASSERT_TRUE(cache_.Grow(table, static_cast<uint32_t>(tokens.size()), EvictionReason::kPrefill));
    cache_.Commit(scope, tokens, static_cast<uint32_t>(tokens.size()), table);
  }

  std::vector<Noted> noted_;
  RecordingPolicy& policy_;
  KvCache cache_;
  const std::vector<TokenId> tokens_{1, 2, 3, 4, 5, 6, 7};
};

TEST_F(TextNotes, ATextIsNotedOnceWithAllItsFullBlocks) {
  cache_.SetTime(50);
  BlockTable table;
  ASSERT_TRUE(cache_.Grow(table, 7, EvictionReason::kPrefill));
  for (const uint32_t computed : {1u, 2u, 5u, 7u}) {
    cache_.Commit(Scope{}, tokens_, computed, table);
  }
  ASSERT_EQ(noted_.size(), 1u);
  EXPECT_EQ(noted_[0].names.size(), 3u);
  EXPECT_EQ(noted_[0].found, 0u);
  EXPECT_TRUE(noted_[0].starts);
  EXPECT_EQ(noted_[0].now, 50u);
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(noted_[0].uses[i].depth, i);
    EXPECT_EQ(noted_[0].uses[i].last_use, 50u);
    EXPECT_EQ(noted_[0].uses[i].tail, i == 2);
  }
  cache_.Release(table);
  cache_.CheckInvariants();
}

TEST_F(TextNotes, LookingUpInVainIsNoUse) {
  BlockTable table;
  Read(tokens_, table);
  cache_.Release(table);
  for (int i = 0; i < 5; ++i) {
    BlockTable waiting;
    EXPECT_GT(cache_.Match(Scope{}, tokens_, waiting), 0u);
    cache_.Release(waiting);
  }
  EXPECT_EQ(noted_.size(), 1u);
  Read(tokens_, table);
  ASSERT_EQ(noted_.size(), 2u);
  EXPECT_EQ(noted_[1].found, 3u);
  EXPECT_EQ(noted_[1].names, noted_[0].names);
  EXPECT_EQ(noted_[1].uses[0].hits, 8u) << "7 that the policy knew of, and this one";
  EXPECT_EQ(noted_[1].uses[0].turn, 1u);
  cache_.Release(table);
}

TEST_F(TextNotes, WhatIsGeneratedIsNotedAsItGrows) {
  BlockTable table;
  std::vector<TokenId> tokens = tokens_;
  Read(tokens, table);
  for (TokenId next = 10; next < 14; ++next) {
    tokens.push_back(next);
    ASSERT_TRUE(cache_.Grow(table, static_cast<uint32_t>(tokens.size()), EvictionReason::kDecode));
    cache_.Commit(Scope{}, tokens, static_cast<uint32_t>(tokens.size()), table);
  }
  ASSERT_EQ(noted_.size(), 3u);
  for (uint32_t i = 1; i < 3; ++i) {
    EXPECT_EQ(noted_[i].names.size(), 1u);
    EXPECT_FALSE(noted_[i].starts);
    EXPECT_EQ(noted_[i].uses[0].depth, 2 + i);
    EXPECT_FALSE(noted_[i].uses[0].tail);
  }
  cache_.Release(table);
}

TEST_F(TextNotes, AForkIsNoReading) {
  BlockTable table;
  Read(tokens_, table);
  BlockTable fork;
  cache_.Fork(table, 3, fork);
  ASSERT_TRUE(cache_.Grow(fork, 7, EvictionReason::kPrefill));
  cache_.Commit(Scope{}, tokens_, 7, fork);
  EXPECT_EQ(noted_.size(), 1u);
  cache_.Release(fork);
  cache_.Release(table);
}

TEST_F(TextNotes, WhatThePolicyRemembersStaysWithTheBlock) {
  BlockTable table;
  Read(tokens_, table);
  cache_.Release(table);
  EXPECT_EQ(policy_.last_added.hits, 7u);
  EXPECT_EQ(policy_.last_added.depth, 2u);
}

// A table that is used again starts anew.
TEST_F(TextNotes, AReleasedTableKnowsNothing) {
  BlockTable table;
  Read(tokens_, table);
  cache_.Release(table);
  EXPECT_EQ(table.num_noted(), 0u);
  Read({9, 9, 9, 9}, table);
  EXPECT_EQ(noted_.back().names.size(), 2u);
  EXPECT_TRUE(noted_.back().starts);
  cache_.Release(table);
}

// The server's policies in a real cache: one conversation each 30 s against a flood that is never
// read again. An LRU has lost it each time.
uint32_t HitsOfAConversation(EvictionKind kind) {
  KvCache cache({.capacity_blocks = 64, .block_tokens = 2}, MakeEvictionPolicy(kind, 64));
  const Scope scope;
  TokenId fresh = 100;
  uint32_t hits = 0;
  for (uint32_t second = 0; second < 3000; ++second) {
    cache.SetTime(second * 1000);
    std::vector<TokenId> tokens;
    for (TokenId i = 0; i < 16; ++i) tokens.push_back(second % 30 == 0 ? i : ++fresh);
    BlockTable table;
    const uint32_t found = cache.Match(scope, tokens, table);
    if (second > 1500) hits += found;
    EXPECT_TRUE(cache.Grow(table, 16, EvictionReason::kPrefill));
    cache.Commit(scope, tokens, 16, table);
    cache.Release(table);
  }
  cache.CheckInvariants();
  return hits;
}

TEST(EvictionInTheCache, ScoredKeepsWhatComesBackAndAnLruDoesNot) {
  EXPECT_EQ(HitsOfAConversation(EvictionKind::kLru), 0u);
  EXPECT_GT(HitsOfAConversation(EvictionKind::kScored), 40u * 14);
  EXPECT_GT(HitsOfAConversation(EvictionKind::kAuto), 40u * 14);
}

}  // namespace
}  // namespace quire
