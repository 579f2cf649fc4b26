// Which peers answer: each is asked, none too often, and what is told is what was found.
#include "server/peers/peer_sight.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

namespace quire {
namespace {

// Says what it was told to say, and counts.
class FakeLink : public PeerLink {
 public:
  Result<PeerAnswer> Ask(const Peer& peer, std::string_view action, std::string_view body,
                         std::chrono::milliseconds patience) override {
    EXPECT_EQ(action, "hello");
    EXPECT_EQ(body, "");
    patience_ms += patience.count();
    ++asked;
    const auto found = silent.find(peer.name);
    if (found != silent.end()) return Refuse(ErrorCode::kPeer, found->second);
    PeerAnswer answer;
    if (refuses) answer.refusal = Error{ErrorCode::kUnsupported, "what is hello?", {}};
    return answer;
  }
  Result<std::string> Fetch(const Peer&, std::string_view, std::string_view,
                            std::chrono::milliseconds) override {
    return Refuse(ErrorCode::kPeer, "nobody fetches here");
  }

  std::map<std::string, std::string> silent;
  bool refuses = false;
  int asked = 0;
  int64_t patience_ms = 0;
};

class PeerSightTest : public testing::Test {
 protected:
  int64_t now_ = 5000;
  FakeLink link_;
  const PeerDirectory peers_ =
      *PeerDirectory::Make({{"b", "http://b:1", "s"}, {"c", "http://c:2", "s"}}, "a");
  PeerSight sight_{peers_, link_, [this] { return now_; }};
};

TEST_F(PeerSightTest, TellsWhoAnswersAndWhyNot) {
  link_.silent["c"] = "no answer from 'c'";
  const auto seen = sight_.Look();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].problem, "");
  EXPECT_EQ(seen[1].problem, "no answer from 'c'");
  EXPECT_EQ(nlohmann::json::parse(PeersJson(seen)), nlohmann::json::parse(R"({
    "object": "list",
    "data": [{"name": "b", "url": "http://b:1", "answers": true, "problem": null},
             {"name": "c", "url": "http://c:2", "answers": false, "problem": "no answer from 'c'"}]
  })"));
  EXPECT_EQ(PeersJson({}), R"({"object":"list","data":[]})");
}

TEST_F(PeerSightTest, ARefusalUnderTheSealIsAnAnswer) {
  link_.refuses = true;
  EXPECT_EQ(sight_.Look()[0].problem, "");
}

TEST_F(PeerSightTest, NobodyIsAskedAgainAtOnce) {
  (void)sight_.Look();
  link_.silent["b"] = "gone";
  now_ += PeerSight::kFreshMs - 1;
  EXPECT_EQ(sight_.Look()[0].problem, "");
  EXPECT_EQ(link_.asked, 2);
  now_ += 1;
  EXPECT_EQ(sight_.Look()[0].problem, "gone");
  EXPECT_EQ(link_.asked, 4);
  now_ -= 60'000;  // the clock was set
  link_.silent.clear();
  EXPECT_EQ(sight_.Look()[0].problem, "");
}

TEST_F(PeerSightTest, ALookHasABound) {
  (void)sight_.Look();
  EXPECT_LE(link_.patience_ms, PeerSight::kLookMs + 2);
}

}  // namespace
}  // namespace quire
