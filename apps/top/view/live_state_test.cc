// What a server says, and what it might say, read without surprise.
#include "apps/top/view/live_state.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <nlohmann/json.hpp>

namespace quire {
namespace {

using nlohmann::json;

json Whole() {
  return json::parse(R"({"time_ms": 1764000000500, "tenant": "root", "admin": true,
    "block_tokens": 16, "block_bytes": 1024,
    "server": {"blocks": 10, "free_blocks": 3, "live_blocks": 4, "idle_blocks": 2,
      "pinned_blocks": 1, "running": 2, "waiting": 1, "map_blocks": 2,
      "map": [2, 1, 1, 5, 1, 3, 1, 0], "rejections": 5,
      "tokens": {"ram": 60, "disk": 20, "remote": 0, "computed": 20, "generated": 7},
      "step_seconds": {"count": 4, "sum": 2.0}, "disk": {"bytes": 5, "limit_bytes": 50}},
    "tenants": [{"tenant": "ac\u001bme", "tiers": {"ram": {"live_bytes": 4096, "idle_bytes": 1,
      "pinned_bytes": 2}, "disk": {"bytes": 3}}, "guaranteed_bytes": 9, "limit_bytes": null,
      "tokens": {"ram": 1, "computed": 3}}],
    "requests": [{"id": 12, "tenant": "acme", "route": "support", "phase": "decode",
      "age_seconds": 1.5, "prompt_tokens": 100, "cached_tokens": 64, "computed_tokens": 100,
      "generated_tokens": 5, "max_tokens": 16, "blocks": 7, "preemptions": 1}],
    "requests_left_out": 3})");
}

TEST(LiveState, IsWhatTheServerSays) {
  const auto live = ParseLive(Whole().dump());
  ASSERT_TRUE(live);
  EXPECT_EQ(live->time_seconds, 1764000000.5);
  EXPECT_TRUE(live->admin);
  EXPECT_EQ(live->requests_left_out, 3u);
  ASSERT_TRUE(live->server);
  EXPECT_EQ(std::string(live->server->map.begin(), live->server->map.end()), "LLIPF");
  EXPECT_EQ(live->server->map_blocks, 2u);
  EXPECT_EQ(live->server->step_seconds.sum, 2.0);
  EXPECT_EQ(live->server->tokens.found(), 80);
  EXPECT_EQ(live->server->disk_limit_bytes, 50u);
  ASSERT_EQ(live->tenants.size(), 1u);
  EXPECT_EQ(live->tenants[0].name, "ac\uFFFDme");
  EXPECT_FALSE(live->tenants[0].limit_bytes);
  EXPECT_EQ(live->tenants[0].disk_bytes, 3u);
  ASSERT_EQ(live->requests.size(), 1u);
  EXPECT_EQ(live->requests[0].id, 12u);
  EXPECT_EQ(live->requests[0].route, "support");
  EXPECT_EQ(live->requests[0].cached_tokens, 64u);
}

TEST(LiveState, OthersAreNoServers) {
  for (const char* text : {"", "{}", "[]", "<html>", "null", R"({"requests": 1, "tenants": []})"}) {
    EXPECT_FALSE(ParseLive(text)) << text;
  }
}

TEST(LiveState, NoKindOfValueBreaksIt) {
  const std::vector<json> strange = {nullptr,
                                     true,
                                     -1,
                                     1e300,
                                     "text",
                                     json::array({1, -1, "x"}),
                                     json::object(),
                                     18446744073709551615ull};
  const json flat = Whole().flatten();
  for (const auto& [path, value] : flat.items()) {
    for (const json& other : strange) {
      json changed = Whole();
      changed[json::json_pointer(path)] = other;
      [[maybe_unused]] const auto live = ParseLive(changed.dump());
    }
  }
  for (const char* key : {"server", "tenants", "requests"}) {
    for (const json& other : strange) {
      json changed = Whole();
      changed[key] = other;
      [[maybe_unused]] const auto live = ParseLive(changed.dump());
    }
  }
}

TEST(LiveState, AMapIsNotDrawnBeyondReason) {
  json huge = Whole();
  huge["server"]["map"] = {uint64_t{1} << 40, 1};
  EXPECT_TRUE(ParseLive(huge.dump())->server->map.empty());
}

TEST(ServerFacts, AreReadAsFarAsTheyGo) {
  const ServerFacts facts =
      ParseFacts(R"({"data": [{"id": "tiny\u001b[2J", "created": 17}]})", R"({"version": "0.1"})");
  EXPECT_EQ(facts.model, "tiny\uFFFD[2J");
  EXPECT_EQ(facts.ready_since, 17);
  EXPECT_EQ(facts.version, "0.1");
  EXPECT_EQ(ParseFacts("", "[]").model, "");
}

TEST(Verdicts, AreCounted) {
  const auto verdicts = ParseVerdicts(
      R"({"groups": [{"key": "", "requests": 4}, {"key": "overloaded", "requests": 2}]})");
  EXPECT_EQ(verdicts, (std::map<std::string, uint64_t>{{"", 4}, {"overloaded", 2}}));
  EXPECT_TRUE(ParseVerdicts(R"({"error": {}})").empty());
}

}  // namespace
}  // namespace quire
