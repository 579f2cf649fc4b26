#include "lever/levers_file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

namespace quire {
namespace {

const std::string kWhole = R"(
[[lever]]
name = "keep-support"
owner = "Ann"
change = { eviction = { keep_seconds = 600 } }
share = 0.25
by = "route"
tenants = ["acme"]
routes = ["support/answer", "support/find"]
relieves = "prompts of support are computed again after lunch"
creates = "other texts are evicted sooner"
guardrail = { metric = "first_token_ms", statistic = "p95" }
rollback = { ratio = 1.5, slack = 10, at_least = 50, window_seconds = 600 }
)";

std::string Instead(std::string text, const std::string& what, const std::string& by) {
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

std::string WrongWith(const std::string& text) {
  const auto levers = ParseLevers(text, "levers.toml");
  if (levers) return "";
  EXPECT_EQ(levers.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(levers.error().param, "levers");
  return levers.error().message;
}

TEST(LeversFile, SaysAllOfALever) {
  const auto levers = ParseLevers(kWhole, "levers.toml");
  ASSERT_TRUE(levers) << levers.error().message;
  ASSERT_EQ(levers->size(), 1u);
  const Lever& lever = levers->front();
  EXPECT_EQ(lever.name, "keep-support");
  EXPECT_EQ(lever.owner, "Ann");
  EXPECT_EQ(lever.change.kind, LeverKind::kEviction);
  EXPECT_EQ(lever.change.keep_seconds, 600u);
  EXPECT_EQ(lever.share, 0.25);
  EXPECT_EQ(lever.by, LeverUnit::kRoute);
  EXPECT_EQ(lever.tenants, std::vector<std::string>{"acme"});
  EXPECT_EQ(lever.routes.size(), 2u);
  EXPECT_NE(lever.relieves, "");
  EXPECT_NE(lever.creates, "");
  EXPECT_EQ(lever.guardrail.metric, LeverMetric::kFirstTokenMs);
  EXPECT_EQ(lever.guardrail.statistic, LeverStatistic::kP95);
  EXPECT_EQ(lever.guardrail.trigger.ratio, 1.5);
  EXPECT_EQ(lever.guardrail.trigger.slack, 10);
  EXPECT_EQ(lever.guardrail.trigger.at_least, 50u);
  EXPECT_EQ(lever.guardrail.trigger.window_seconds, 600u);
}

TEST(LeversFile, SaysEveryChange) {
  const auto change = [](const std::string& text) {
    const auto levers =
        ParseLevers(Instead(kWhole, "eviction = { keep_seconds = 600 }", text), "levers.toml");
    EXPECT_TRUE(levers) << levers.error().message;
    return levers ? levers->front().change : LeverChange();
  };
  EXPECT_EQ(change("chunk_tokens = 16").chunk_tokens, 16u);
  EXPECT_EQ(change("chunk_tokens = 16").Describe(), "chunk_tokens = 16");
  EXPECT_EQ(change("offload = false").kind, LeverKind::kOffload);
  EXPECT_FALSE(change("offload = false").offload);
  EXPECT_EQ(change("admission_margin = 0.5").admission_margin, 0.5);
  EXPECT_EQ(change("admission_margin = 2").admission_margin, 2);
  EXPECT_EQ(change("admission_margin = 2").kind, LeverKind::kAdmissionMargin);
  EXPECT_EQ(change("chunk_tokens = 16").kind, LeverKind::kChunkTokens);
  EXPECT_FALSE(change("eviction = { store = false }").store);
  EXPECT_EQ(change("eviction = { store = false }").kind, LeverKind::kEviction);
}

TEST(LeversFile, OrdersThemByName) {
  const auto levers =
      ParseLevers(kWhole + Instead(Instead(kWhole, "keep-support", "a"),
                                   "eviction = { keep_seconds = 600 }", "offload = false"),
                  "levers.toml");
  ASSERT_TRUE(levers) << levers.error().message;
  EXPECT_EQ(levers->front().name, "a");
  EXPECT_TRUE(ParseLevers("", "levers.toml")->empty());
}

TEST(LeversFile, NothingThatIsNeededMayBeMissing) {
  for (const char* field :
       {"owner", "change", "share", "by", "relieves", "creates", "guardrail", "rollback", "name"}) {
    std::string text;
    std::string line;
    for (const char c : kWhole) {
      line += c;
      if (c != '\n') continue;
      if (!line.starts_with(std::string(field) + " =")) text += line;
      line.clear();
    }
    const std::string wrong = WrongWith(text);
    EXPECT_NE(wrong.find(field), std::string::npos) << wrong;
    EXPECT_TRUE(wrong.starts_with("levers.toml:2: ")) << wrong;
  }
}

TEST(LeversFile, RefusesWhatItDoesNotKnow) {
  const std::string kChange = "eviction = { keep_seconds = 600 }";
  const struct {
    std::string what;
    std::string by;
    std::string named;  // in the message
  } kCases[] = {
      {"share = 0.25", "share = 1.01", "0 to 1"},
      {"share = 0.25", "share = -0.1", "0 to 1"},
      {"share = 0.25", "share = nan", "0 to 1"},
      {"share = 0.25", "share = \"half\"", "0 to 1"},
      {"owner = \"Ann\"", "owner = \"\"", "owner"},
      {"owner = \"Ann\"", "owner = 5", "owner"},
      {"owner = \"Ann\"", "owner = \"A\\u001b[31mnn\"", "owner"},
      {"owner = \"Ann\"", "ownr = \"Ann\"", "'ownr'"},
      {"\"keep-support\"", "\"Keep support\"", "name"},
      {"by = \"route\"", "by = \"user\"", "tenant"},
      {"[\"acme\"]", "[]", "tenants"},
      {"[\"acme\"]", "\"acme\"", "tenants"},
      {"[\"acme\"]", "[\"" + std::string(65, 'a') + "\"]", "64"},
      {"\"support/find\"", "\"a\\nb\"", "routes"},
      {"first_token_ms", "ttft", "computed_tokens"},
      {"\"first_token_ms\"", "5", "guardrail.metric"},
      {"\"first_token_ms\"", "\"hit_share\"", "only the mean"},
      {"\"p95\"", "\"p99\"", "p95"},
      {"statistic", "statstic", "'statstic'"},
      {"ratio = 1.5", "ratio = 0.9", "ratio"},
      {"ratio = 1.5", "ratio = inf", "ratio"},
      {"ratio = 1.5, ", "", "ratio"},
      {"slack = 10", "slack = -1", "slack"},
      {"at_least = 50", "at_least = 0", "at_least"},
      {"at_least = 50", "atleast = 50", "'atleast'"},
      {"window_seconds = 600", "window_seconds = 600.5", "window_seconds"},
      {kChange, "", "exactly one"},
      {kChange, kChange + ", offload = false", "exactly one"},
      {kChange, "chunk_tokens = 0", "chunk_tokens"},
      {kChange, "chunk_tokens = 16.5", "chunk_tokens"},
      {kChange, "offload = 1", "offload"},
      {kChange, "admission_margin = 101", "admission_margin"},
      {kChange, "speed = 5", "'speed'"},
      {kChange, "eviction = { keep_seconds = 0 }", "keep_seconds"},
      {kChange, "eviction = { store = true }", "store"},
      {kChange, "eviction = { keep = 5 }", "keep_seconds"},
      {kChange, "eviction = \"lru\"", "--eviction"},
      {kChange, "kv_format = \"q8\"", "--kv-format"},
      {kChange, "window = 512", "stream session"},
      {kChange, "window_tokens = 512", "stream session"},
      {"[[lever]]", "[lever]", "[[lever]]"},
      {"[[lever]]", "[[levers]]", "'levers'"},
      {"[[lever]]", "[[lever", "TOML"},
  };
  for (const auto& one : kCases) {
    const std::string wrong = WrongWith(Instead(kWhole, one.what, one.by));
    EXPECT_NE(wrong.find(one.named), std::string::npos) << one.by << ": " << wrong;
    EXPECT_TRUE(wrong.starts_with("levers.toml:")) << wrong;
  }
}

TEST(LeversFile, TwoLeversDoNotChangeTheSameOfARequest) {
  const std::string other = Instead(kWhole, "keep-support", "other");
  EXPECT_NE(WrongWith(kWhole + kWhole).find("two of this name"), std::string::npos);
  const std::string before = kWhole + kWhole.substr(0, kWhole.find("[[lever]]"));
  const auto line = 1 + std::ranges::count(before, '\n');
  EXPECT_TRUE(WrongWith(kWhole + kWhole).starts_with(fmt::format("levers.toml:{}:", line)))
      << WrongWith(kWhole + kWhole);
  EXPECT_NE(WrongWith(kWhole + other).find("\"keep-support\" change eviction"), std::string::npos);
  EXPECT_NE(WrongWith(kWhole + Instead(other, "tenants = [\"acme\"]", "")), "") << "all tenants";
  EXPECT_NE(WrongWith(kWhole + Instead(other, "\"support/answer\"", "\"else\"")), "");
  EXPECT_NE(WrongWith(kWhole + Instead(other, "keep_seconds = 600", "store = false")), "");
  EXPECT_EQ(WrongWith(kWhole + Instead(other, "\"acme\"", "\"beta\"")), "");
  EXPECT_EQ(WrongWith(kWhole + Instead(other, "\"support/answer\", \"support/find\"", "\"else\"")),
            "");
  EXPECT_EQ(
      WrongWith(kWhole + Instead(other, "eviction = { keep_seconds = 600 }", "chunk_tokens = 7")),
      "");
}

TEST(LeversFile, IsBounded) {
  std::string many;
  for (int i = 0; i < 65; ++i) {
    many += Instead(Instead(kWhole, "keep-support", "l" + std::to_string(i)), "\"acme\"",
                    "\"t" + std::to_string(i) + "\"");
  }
  EXPECT_NE(WrongWith(many).find("more than 64"), std::string::npos);
}

TEST(LeversFile, GarbledTextIsRefusedOrRead) {
  std::minstd_rand random(1);
  int read = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string text = kWhole;
    for (uint32_t i = random() % 4 + 1; i > 0; --i) {
      const size_t at = random() % text.size();
      if (random() % 2 == 0) {
        text[at] = static_cast<char>(random());
      } else {
        text.erase(at, random() % 20);
      }
    }
    const auto levers = ParseLevers(text, "levers.toml");
    read += levers.has_value();
    EXPECT_TRUE(levers || levers.error().message.starts_with("levers.toml:")) << text;
  }
  EXPECT_GT(read, 100) << "some only say something else";
}

TEST(LeversFile, TheOneToBeginWithIsFine) {
  const auto levers = LoadLevers(QUIRE_SOURCE_DIR "/deploy/levers.toml");
  ASSERT_TRUE(levers) << levers.error().message;
  EXPECT_EQ(levers->size(), 2u);
}

TEST(LeversFile, AFileThatCannotBeReadIsNamed) {
  EXPECT_EQ(LoadLevers("/nowhere/levers.toml").error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(LoadLevers("/tmp"));
  std::string name = "/tmp/quire_levers_XXXXXX";
  const std::string folder = mkdtemp(name.data());
  std::ofstream(folder + "/levers.toml") << kWhole;
  EXPECT_EQ(LoadLevers(folder + "/levers.toml")->size(), 1u);
  std::filesystem::remove_all(folder);
}

TEST(Lever, ConcernsWhomItNames) {
  Lever lever = ParseLevers(kWhole, "levers.toml")->front();
  EXPECT_TRUE(lever.Concerns("acme", "support/find"));
  EXPECT_FALSE(lever.Concerns("acme", "other"));
  EXPECT_FALSE(lever.Concerns("beta", "support/find"));
  lever.routes.clear();
  EXPECT_TRUE(lever.Concerns("acme", "other"));
  EXPECT_FALSE(lever.Concerns("acme", "")) << "no route has no arm";
  lever.by = LeverUnit::kTenant;
  EXPECT_TRUE(lever.Concerns("acme", ""));
}

TEST(Lever, ItsDigestIsOfWhatDecidesItsFigures) {
  const Lever lever = ParseLevers(kWhole, "levers.toml")->front();
  for (const auto& [what, by, same] : {std::tuple("600 }", "601 }", false),
                                       {"0.25", "0.5", false},
                                       {"acme", "beta", false},
                                       {"support/find", "find", false},
                                       {"ratio = 1.5", "ratio = 2", true},
                                       {"Ann", "Bob", true}}) {
    const Lever other = ParseLevers(Instead(kWhole, what, by), "levers.toml")->front();
    EXPECT_EQ(lever.Digest() == other.Digest(), same) << what;
  }
}

}  // namespace
}  // namespace quire
