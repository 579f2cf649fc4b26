#include "engine/warm_up.h"

#include <gtest/gtest.h>

#include <functional>
#include <new>
#include <utility>
#include <vector>

namespace quire {
namespace {

// (position, tokens) of the passes that were begun.
using Passes = std::vector<std::pair<uint32_t, size_t>>;

struct Recorder {
  bool operator()(std::span<const BatchItem> batch) {
    EXPECT_EQ(batch.size(), 1u);
    const BatchItem& item = batch[0];
    EXPECT_GT(item.table.size() * kBlockTokens, item.first_position + item.tokens.size() - 1);
    for (uint32_t i = 0; i < item.table.size(); ++i) EXPECT_EQ(item.table[i], i);
    passes.emplace_back(item.first_position, item.tokens.size());
    return passes.size() != left_at;
  }
  size_t left_at = 0;  // 0: never
  Passes passes;
};

Passes Tried(WarmUp& warm_up, bool blocks_in_use = false, size_t left_at = 0) {
  Recorder recorder{.left_at = left_at, .passes = {}};
  warm_up.Try(blocks_in_use, std::ref(recorder));
  return recorder.passes;
}

TEST(WarmUp, IsAPrefillAndADecodeOnce) {
  WarmUp warm_up(1000);
  EXPECT_FALSE(warm_up.is_over());
  EXPECT_EQ(Tried(warm_up), (Passes{{0, 40}, {40, 1}}));
  EXPECT_TRUE(warm_up.is_over());
  EXPECT_EQ(Tried(warm_up), Passes{});
}

TEST(WarmUp, FitsIntoWhatThereIs) {
  for (const uint32_t tokens : {2u, 16u, 17u, 33u}) {
    WarmUp warm_up(tokens);
    EXPECT_EQ(Tried(warm_up), (Passes{{0, tokens - 1}, {tokens - 1, 1}}));
  }
}

TEST(WarmUp, BeginsAnewWhenItWasLeft) {
  WarmUp warm_up(1000);
  EXPECT_EQ(Tried(warm_up, false, 1), (Passes{{0, 40}}));
  EXPECT_FALSE(warm_up.is_over());
  EXPECT_EQ(Tried(warm_up, false, 2), (Passes{{0, 40}, {40, 1}}));
  EXPECT_FALSE(warm_up.is_over());
  EXPECT_EQ(Tried(warm_up).size(), 2u);
  EXPECT_TRUE(warm_up.is_over());
}

TEST(WarmUp, TouchesNothingThatIsInUse) {
  WarmUp warm_up(1000);
  EXPECT_EQ(Tried(warm_up, true), Passes{});
  EXPECT_TRUE(warm_up.is_over());
}

TEST(WarmUp, IsNotTriedAgainWhereThereIsNoMemoryForIt) {
  WarmUp warm_up(1000);
  const WarmUp::Run fails = [](std::span<const BatchItem>) -> bool { throw std::bad_alloc(); };
  EXPECT_THROW(warm_up.Try(false, fails), std::bad_alloc);
  EXPECT_TRUE(warm_up.is_over());
  EXPECT_EQ(Tried(warm_up), Passes{});
}

TEST(WarmUp, AStepDoesTheSame) {
  WarmUp warm_up(1000);
  warm_up.NoteStep();
  EXPECT_TRUE(warm_up.is_over());
  EXPECT_EQ(Tried(warm_up), Passes{});
}

}  // namespace
}  // namespace quire
