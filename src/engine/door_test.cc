#include "engine/door.h"

#include <gtest/gtest.h>

#include <vector>

namespace quire {
namespace {

constexpr Door::Limits kLimits{
    .queue_limit = 16, .max_running = 4, .block_bytes = 1000, .block_tokens = 16};

GenerationRequest Request(const std::string& tenant, size_t prompt = 10, uint32_t max_tokens = 10) {
  GenerationRequest request;
  request.tenant = tenant;
  request.prompt.resize(prompt);
  request.max_tokens = max_tokens;
  return request;
}

Tenant Named(const std::string& name) {
  Tenant tenant;
  tenant.name = name;
  return tenant;
}

TEST(Door, TheTokensOfAMinuteComeBackWithTime) {
  Door door(kLimits);
  Tenant tenant = Named("a");
  tenant.tokens_per_minute = 600;
  door.Describe(std::vector{tenant});
  ASSERT_TRUE(door.Enter(Request("a"), {}, 100));
  door.NoteComputed("a", 700, 100);
  const auto refused = door.Enter(Request("a"), {}, 105);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kQuotaExceeded);
  EXPECT_EQ(refused.error().retry_after_seconds, 6u) << "100 too many, of which 50 have come back";
  EXPECT_TRUE(door.Enter(Request("b"), {}, 105)) << "others are not touched";
  door.Describe(std::vector{tenant});
  EXPECT_FALSE(door.Enter(Request("a"), {}, 105)) << "a reload gives nothing back";
  EXPECT_TRUE(door.Enter(Request("a"), {}, 111)) << "the promise holds";
  door.NoteComputed("a", 20'000, 111);
  const auto later = door.Enter(Request("a"), {}, 111);
  ASSERT_FALSE(later);
  const uint32_t seconds = later.error().retry_after_seconds;
  EXPECT_FALSE(door.Enter(Request("a"), {}, 111 + seconds - 2)) << "not a second too many";
  EXPECT_TRUE(door.Enter(Request("a"), {}, 111 + seconds)) << "also where it is long";
}

TEST(Door, WhatIsNoWishIsCutToTheTenant) {
  Door door(kLimits);
  Tenant tenant = Named("a");
  tenant.max_context = 100;
  door.Describe(std::vector{tenant});
  const auto cut = [&door](size_t prompt, bool wish, const char* name = "a") {
    GenerationRequest request = Request(name, prompt, 1000);
    request.cut_max_tokens = !wish;
    door.CutToTenant(request);
    return request.max_tokens;
  };
  EXPECT_EQ(cut(60, false), 40u);
  EXPECT_EQ(cut(60, true), 1000u);
  EXPECT_EQ(cut(60, false, "b"), 1000u);
  EXPECT_EQ(cut(99, false), 1u);
  EXPECT_EQ(cut(100, false), 1u);
  EXPECT_FALSE(door.Enter(Request("a", 100, 1), {}, 0));
  tenant.kv_limit_bytes = 3999;  // three blocks, and the token that is never read
  door.Describe(std::vector{tenant});
  EXPECT_EQ(cut(40, false), 9u);
  EXPECT_TRUE(door.Enter(Request("a", 40, 9), {}, 0));
}

TEST(Door, ATenantHasItsOwnContextAndMemory) {
  Door door(kLimits);
  Tenant tenant = Named("a");
  tenant.max_context = 100;
  door.Describe(std::vector{tenant});
  EXPECT_TRUE(door.Enter(Request("a", 60, 40), {}, 0));
  const auto longer = door.Enter(Request("a", 60, 41), {}, 0);
  ASSERT_FALSE(longer);
  EXPECT_EQ(longer.error().code, ErrorCode::kContextLength);
  tenant.max_context = 1000;
  tenant.kv_limit_bytes = 3999;
  door.Describe(std::vector{tenant});
  EXPECT_TRUE(door.Enter(Request("a", 40, 9), {}, 0)) << "48 tokens with KV are 3 blocks";
  const auto bigger = door.Enter(Request("a", 40, 10), {}, 0);
  ASSERT_FALSE(bigger);
  EXPECT_EQ(bigger.error().code, ErrorCode::kNeverFits);
}

TEST(Door, AFullQueueSaysWhenToRetry) {
  Door door(kLimits);
  door.SetLoad({.running = 4,
                .waiting = 16,
                .unstarted = 16,
                .tokens_per_choice = 20,
                .seconds_per_token_full = 0.1});
  const auto refused = door.Enter(Request("a"), {}, 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(refused.error().retry_after_seconds, 18u);
  door.SetLoad({.running = 4, .waiting = 15, .unstarted = 15});
  EXPECT_TRUE(door.Enter(Request("a"), {}, 0));
  EXPECT_FALSE(door.Enter(Request("a"), {.choices = 1}, 0)) << "one is on its way in";
}

TEST(Door, AFloodLeavesRoomForOtherTenants) {
  Door door(kLimits);
  door.Describe(std::vector{Named("flood"), Named("other")});
  Door::Arriving arriving;
  while (door.Enter(Request("flood"), arriving, 0)) ++arriving.choices;
  EXPECT_EQ(arriving.choices, 10u) << "half of 16 + 4";
  EXPECT_TRUE(door.Enter(Request("other"), arriving, 0));
  door.NoteEnded("flood", 2);
  arriving.choices -= 1;
  EXPECT_TRUE(door.Enter(Request("flood"), arriving, 0));
}

TEST(Door, ForecastsFromWhatIsAheadAndTheMeasuredRates) {
  Door door(kLimits);
  const auto idle = door.Enter(Request("a", 100), {}, 0);
  ASSERT_TRUE(idle);
  EXPECT_EQ(idle->position, 0u);
  EXPECT_EQ(idle->wait_seconds, 0);

  door.SetLoad({.running = 2,
                .waiting = 1,
                .unstarted = 1,
                .waiting_tokens = 1000,
                .running_tokens = 500,
                .free_tokens = 10000,
                .tokens_per_second = 100,
                .tokens_per_choice = 30,
                .seconds_per_token = 0.1,
                .seconds_per_token_full = 0.05});
  const auto big = door.Enter(Request("a", 5000), {.choices = 1, .tokens = 300}, 0);
  ASSERT_TRUE(big);
  EXPECT_EQ(big->position, 2u);
  EXPECT_NEAR(*big->wait_seconds, 18 + 30 * 0.05, 1e-9) << "the fifth for four places";
  const auto small = door.Enter(Request("a", 10), {}, 0);
  EXPECT_NEAR(*small->wait_seconds, 0.3, 1e-9) << "short work passes long work";
  const auto hungry = door.Enter(Request("a", 20000), {}, 0);
  EXPECT_NEAR(*hungry->wait_seconds, 15 + 2 * 30 * 0.1, 1e-9) << "memory comes free as answers end";
}

// Eight are there for four places: those that run must be read and answered, one after the other.
TEST(Door, ForecastsTheEndsThatAPlaceWaitsForFromTheirTokens) {
  Door door(kLimits);
  Load load{.running = 4,
            .waiting = 4,
            .unstarted = 4,
            .waiting_tokens = 800,
            .running_tokens = 200,
            .free_tokens = 10000,
            .tokens_per_second = 100,
            .seconds_per_token = 0.05,
            .seconds_per_token_full = 0.01};
  const auto wait = [&](uint32_t prompt, uint32_t max_tokens) {
    door.SetLoad(load);
    const auto entered = door.Enter(Request("a", prompt, max_tokens), {}, 0);
    EXPECT_TRUE(entered);
    return entered ? entered->wait_seconds.value_or(-1) : -1;
  };
  EXPECT_NEAR(wait(200, 50), 10 + 5 * 50 * 0.01, 1e-9) << "as long as none has ended: as its own";
  EXPECT_NEAR(wait(200, 30'000), 10 + 5 * 256 * 0.01, 1e-9) << "which may be no wish";
  load.tokens_per_choice = 20;
  EXPECT_NEAR(wait(200, 50), 10 + 5 * 20 * 0.01, 1e-9);
  EXPECT_NEAR(wait(10, 50), 2 + 0.4 + 5 * 20 * 0.01, 1e-9) << "short work passes what waits";
  load.free_tokens = 100;
  EXPECT_NEAR(wait(200, 50), 10 + 5 * 20 * 0.05, 1e-9) << "no more can run than do";
  load.waiting = load.unstarted = 16;
  door.SetLoad(load);
  const auto refused = door.Enter(Request("a"), {}, 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().retry_after_seconds, 7u) << "half of what is to be read, nine ends";
  EXPECT_EQ(door.RetryAfterSeconds({.choices = 4, .tokens = 2000}), 18u) << "who comes counts";
}

TEST(Door, NobodyIsToldHowLongItWaitsBeforeAnythingWasMeasured) {
  Door door(kLimits);
  Tenant narrow = Named("narrow");
  narrow.max_concurrent = 1;
  door.Describe(std::vector{narrow, Named("wide")});
  EXPECT_EQ(door.Enter(Request("wide"), {}, 0)->wait_seconds, 0) << "there is nothing to wait for";
  EXPECT_EQ(door.Enter(Request("narrow"), {}, 0)->wait_seconds, 0);
  EXPECT_EQ(door.Enter(Request("narrow"), {}, 0)->wait_seconds, std::nullopt) << "its own";
  const auto behind = door.Enter(Request("wide"), {.choices = 3, .tokens = 30}, 0);
  EXPECT_EQ(behind->position, 3u);
  EXPECT_EQ(behind->wait_seconds, std::nullopt);
  EXPECT_EQ(door.RetryAfterSeconds({}), Door::kUnmeasuredRetrySeconds);
  // Steps have ended, but none that read enough of a prompt.
  door.SetLoad({.seconds_per_token = 0.1, .seconds_per_token_full = 0.01});
  EXPECT_NEAR(*door.Enter(Request("wide"), {.choices = 3, .tokens = 30}, 0)->wait_seconds,
              30 * 0.01, 1e-9);
}

TEST(Door, WhoMayRunFewAtOnceIsToldToWaitForItsOwn) {
  Door door(kLimits);
  Tenant narrow = Named("narrow");
  narrow.max_concurrent = 1;
  door.Describe(std::vector{narrow, Named("wide")});
  door.SetLoad({.running = 2,
                .free_tokens = 10000,
                .tokens_per_second = 1000,
                .tokens_per_choice = 30,
                .seconds_per_token = 0.1});
  const auto wait = [&door](const char* tenant) {
    const auto entered = door.Enter(Request(tenant), {}, 0);
    EXPECT_TRUE(entered);
    return entered ? entered->wait_seconds.value_or(-1) : -1;
  };
  EXPECT_LT(wait("narrow"), 1) << "nothing of it runs";
  EXPECT_NEAR(wait("narrow"), 6, 1e-9) << "every other end is one of its own";
  EXPECT_NEAR(wait("narrow"), 12, 1e-9);
  EXPECT_LT(wait("wide"), 1);
  door.NoteEnded("narrow", 2);
  EXPECT_NEAR(wait("narrow"), 6, 1e-9);
  door.NoteEnded("narrow", 1);
  door.SetLoad(
      {.running = 1, .free_tokens = 10000, .tokens_per_second = 1000, .seconds_per_token = 0.1});
  EXPECT_NEAR(wait("narrow"), 10 * 0.1, 1e-9) << "before any answer has ended, too";
}

}  // namespace
}  // namespace quire
