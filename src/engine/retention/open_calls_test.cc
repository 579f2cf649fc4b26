#include "engine/retention/open_calls.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace quire {
namespace {

constexpr uint32_t kBlock = 4;

// A request: its tokens and their names in the scope of its tenant.
struct Said {
  Said(std::string tenant_in, std::vector<TokenId> tokens_in, std::string conversation_in = {})
      : tenant(std::move(tenant_in)),
        tokens(std::move(tokens_in)),
        conversation(std::move(conversation_in)),
        names(MakeScope({.model_digest = "m",
                         .kv_format = "f16",
                         .numerics_version = 1,
                         .tenant_secret = std::string(32, tenant[0]),
                         .cache_salt = {}})) {}

  OpenCalls::Turn turn() const { return {tenant, conversation, names, tokens, kBlock}; }

  std::string tenant;
  std::vector<TokenId> tokens;
  std::string conversation;
  BlockNames names;
};

std::vector<TokenId> Text(uint32_t length, TokenId first) {
  std::vector<TokenId> tokens(length);
  for (uint32_t i = 0; i < length; ++i) tokens[i] = first + static_cast<TokenId>(i);
  return tokens;
}

std::vector<TokenId> Longer(std::vector<TokenId> tokens, uint32_t by) {
  tokens.resize(tokens.size() + by, 7);
  return tokens;
}

TEST(OpenCalls, LearnsThePausesOfWhatGoesOn) {
  OpenCalls calls(600'000);
  TickMs now = 1000;
  for (int i = 0; i < 200; ++i) {
    const Said asked("a", Text(40, i));
    const TickMs keep = calls.NoteCall(asked.turn(), now);
    EXPECT_LE(keep, i > 100 ? 1000u : 600'000u) << "its tools take 300 ms";
    now += 300;
    EXPECT_TRUE(calls.NoteReturn(Said("a", Longer(asked.tokens, 10)).turn(), now));
    EXPECT_EQ(calls.num_open("a"), 0u);
  }
  EXPECT_GE(calls.NoteCall(Said("b", Text(40, 0)).turn(), now), 30'000u) << "nothing of another";
}

TEST(OpenCalls, NeedsTheSameBeginningAndMore) {
  OpenCalls calls(1000);
  const Said asked("a", Text(40, 0));
  calls.NoteCall(asked.turn(), 0);
  EXPECT_FALSE(calls.NoteReturn(Said("a", Text(60, 1)).turn(), 5)) << "another text";
  EXPECT_FALSE(calls.NoteReturn(Said("a", Text(20, 0)).turn(), 5)) << "a shorter one";
  EXPECT_FALSE(calls.NoteReturn(asked.turn(), 5)) << "the same once more";
  EXPECT_FALSE(calls.NoteReturn(Said("b", Longer(asked.tokens, 9)).turn(), 5)) << "another tenant";
  std::vector<TokenId> rendered_anew = asked.tokens;
  rendered_anew[38] = 99;
  EXPECT_TRUE(calls.NoteReturn(Said("a", Longer(rendered_anew, 9)).turn(), 5))
      << "what opens an answer is not part of the next prompt";
}

TEST(OpenCalls, TheLongestBeginningWins) {
  OpenCalls calls(600'000);
  const Said first("a", Text(40, 0));
  const Said second("a", Longer(first.tokens, 20));
  calls.NoteCall(second.turn(), 1);
  calls.NoteCall(first.turn(), 2);
  EXPECT_TRUE(calls.NoteReturn(Said("a", Longer(second.tokens, 20)).turn(), 3));
  EXPECT_FALSE(calls.NoteReturn(Said("a", Longer(Text(30, 500), 90)).turn(), 3));
  EXPECT_TRUE(calls.NoteReturn(second.turn(), 3)) << "the first one is still open";
}

TEST(OpenCalls, MarksTellConversationsApartAndFindThoseRenderedAnew) {
  OpenCalls calls(600'000);
  const std::vector<TokenId> text = Text(40, 0);
  calls.NoteCall(Said("a", text, "one").turn(), 1);
  calls.NoteCall(Said("a", text, "two").turn(), 2);
  EXPECT_FALSE(calls.NoteReturn(Said("a", Longer(text, 9), "three").turn(), 3));
  EXPECT_TRUE(calls.NoteReturn(Said("a", Longer(text, 9), "two").turn(), 3));
  EXPECT_FALSE(calls.NoteReturn(Said("a", Longer(text, 9), "two").turn(), 3));
  EXPECT_TRUE(calls.NoteReturn(Said("a", Text(50, 900), "one").turn(), 3)) << "rendered anew";
  EXPECT_FALSE(calls.NoteReturn(Said("a", Text(50, 900)).turn(), 3));
}

TEST(OpenCalls, AMarkThatIsSharedCountsLessThanWhatWasSaid) {
  OpenCalls calls(600'000);
  const Said old("a", Text(40, 0), "all");
  const Said young("a", Text(20, 300), "all");
  calls.NoteCall(old.turn(), 1);
  calls.NoteCall(young.turn(), 2);
  EXPECT_TRUE(calls.NoteReturn(Said("a", Longer(young.tokens, 9), "all").turn(), 3));
  EXPECT_EQ(calls.num_open("a"), 1u);
  EXPECT_FALSE(calls.NoteReturn(Said("a", Longer(young.tokens, 9)).turn(), 3)) << "it was closed";
  EXPECT_TRUE(calls.NoteReturn(Said("a", Longer(old.tokens, 9)).turn(), 3));
}

TEST(OpenCalls, KeepsNothingWhereNothingIsToBeKept) {
  OpenCalls calls(0);
  EXPECT_EQ(calls.NoteCall(Said("a", Text(40, 0)).turn(), 1), 0u);
  EXPECT_EQ(calls.num_open("a"), 0u);
}

TEST(OpenCalls, ForgetsTheOldAndTooMany) {
  OpenCalls calls(1000);
  for (uint32_t i = 0; i < 2 * OpenCalls::kMaxOpen; ++i) {
    calls.NoteCall(Said("a", Text(12, static_cast<TokenId>(i))).turn(), i);
  }
  EXPECT_EQ(calls.num_open("a"), OpenCalls::kMaxOpen);
  EXPECT_FALSE(calls.NoteReturn(Said("a", Longer(Text(12, 0), 9)).turn(), 5000)) << "the oldest";
  const TickMs late = OpenCalls::kForgetMs + 5000;
  EXPECT_FALSE(calls.NoteReturn(Said("a", Longer(Text(12, 2000), 9)).turn(), late));
  calls.NoteCall(Said("a", Text(12, 1)).turn(), late);
  EXPECT_EQ(calls.num_open("a"), 1u);
}

TEST(OpenCalls, APromptWithoutAFullBlockIsFoundByItsMarkOnly) {
  OpenCalls calls(1000);
  calls.NoteCall(Said("a", Text(9, 0)).turn(), 1);
  EXPECT_FALSE(calls.NoteReturn(Said("a", Text(30, 0)).turn(), 2));
  calls.NoteCall(Said("a", Text(9, 0), "mark").turn(), 1);
  EXPECT_TRUE(calls.NoteReturn(Said("a", Text(30, 0), "mark").turn(), 2));
}

}  // namespace
}  // namespace quire
