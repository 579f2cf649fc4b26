// A session is handed over, and at every message something dies or gets lost.
#include <gtest/gtest.h>
#include <sodium.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/peers/handoff_receiver.h"
#include "server/peers/handoff_sender.h"
#include "server/peers/peer_seal.h"

namespace quire {
namespace {

const std::string kSecret(kSessionSecretBytes, 's');
const SessionSpace kAcme{"acme", 1, SessionKind::kSession};
constexpr int64_t kNow = 1000;
constexpr int64_t kLater = PeerRounds::kLongestMs;  // whoever is left alone is asked again

// What goes wrong, and at which message.
enum class Fault : uint8_t {
  kNone,
  kLost,           // the question is not heard
  kLate,           // it is heard after what is asked next
  kAnswerLost,     // it is heard, and the answer is not
  kOwnerDies,      // before it hears the question; it starts again later
  kOwnerDiesLate,  // after it heard it, before it answers
  kTakerDies,      // before it hears the answer
};

// Two servers and the wire between them. What a process asks after its death is lost, and without
// an answer it writes nothing.
class World : public PeerLink {
 public:
  struct Side {
    std::string file;
    std::shared_ptr<SessionStore> store;
    PeerDirectory peers;
    std::unique_ptr<HandoffSender> sender;
    std::unique_ptr<HandoffReceiver> receiver;
    bool dead = false;
  };

  World() {
    char name[] = "/tmp/quire_handoff_XXXXXX";
    folder_ = mkdtemp(name);
    for (int i = 0; i < 2; ++i) {
      sides_[i].file = folder_ + "/" + std::to_string(i) + ".db";
      const char* other = i == 0 ? "b" : "a";
      Peer peer{other, std::string("http://") + other, std::string(32, 'p')};
      sides_[i].peers = *PeerDirectory::Make({peer}, i == 0 ? "a" : "b");
      Start(i);
    }
  }
  ~World() override {
    for (Side& side : sides_) {
      side.sender.reset();
      side.receiver.reset();
      side.store.reset();
    }
    std::filesystem::remove_all(folder_);
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // As after a kill: what was in memory is gone.
  void Start(int i) {
    Side& side = sides_[i];
    auto store = SessionStore::Open(side.file, kSecret, {});
    EXPECT_TRUE(store) << store.error().message;
    if (side.store != nullptr) graves_.push_back(side.store);  // its coroutines may still use it
    if (side.sender != nullptr) old_senders_.push_back(std::move(side.sender));
    if (side.receiver != nullptr) old_receivers_.push_back(std::move(side.receiver));
    side.store = *std::move(store);
    const auto clock = [this] { return now_; };
    side.sender = std::make_unique<HandoffSender>(*side.store, *this, clock);
    side.receiver = std::make_unique<HandoffReceiver>(*side.store, *this, side.peers, clock);
    side.dead = false;
  }

  SessionStore& store(int i) { return *sides_[i].store; }
  HandoffReceiver& receiver(int i) { return *sides_[i].receiver; }
  int asked() const { return asked_; }
  void Kill(int i) { sides_[i].dead = true; }
  void PassTime(int64_t ms) { now_ += ms; }
  size_t InDoubt(int i) { return store(i).CountDoubts()->arriving; }
  size_t Departed(int i) { return store(i).CountDoubts()->departed; }
  void SettleDeparted(int i) { sides_[i].sender->SettleDeparted(sides_[i].peers); }
  // Called before a question is passed on.
  std::function<void(std::string_view action)> on_ask;
  HandoffReceiver::Hosts hosts;  // courier and patience of receivers
  void FailAt(int message, Fault fault) {
    at_ = message;
    fault_ = fault;
  }

  Result<HandoffSender::Outcome> HandOff(int from, const std::string& id) {
    const Peer* to = sides_[from].peers.Find(from == 0 ? "b" : "a");
    return sides_[from].sender->HandOff(kAcme, id, *to, nullptr);
  }

  Result<PeerAnswer> Ask(const Peer& peer, std::string_view action, std::string_view body,
                         std::chrono::milliseconds) override {
    const int to = peer.name == "b" ? 1 : 0;
    const Fault fault = asked_++ == at_ ? fault_ : Fault::kNone;
    const auto lost = [] { return Refuse(ErrorCode::kPeer, "nobody answers"); };
    if (on_ask) on_ask(action);
    if (sides_[1 - to].dead || sides_[to].dead) return lost();
    if (fault == Fault::kLost) return lost();
    if (fault == Fault::kLate) {
      late_ = {std::string(action), std::string(body)};
      late_to_ = to;
      return lost();
    }
    if (fault == Fault::kOwnerDies) Kill(0);
    if (fault == Fault::kTakerDies && to == 1) Kill(1);
    if (sides_[to].dead) return lost();
    PeerAnswer answer = Hear(to, action, body);
    const auto late = std::exchange(late_, {});
    if (!late.first.empty()) (void)Hear(late_to_, late.first, late.second);
    if (fault == Fault::kOwnerDiesLate) Kill(0);
    if (fault == Fault::kTakerDies) Kill(1);
    if (fault == Fault::kAnswerLost || sides_[to].dead || sides_[1 - to].dead) return lost();
    return answer;
  }

  Result<std::string> Fetch(const Peer&, std::string_view action, std::string_view,
                            std::chrono::milliseconds) override {
    if (on_ask) on_ask(action);
    return std::string();
  }

  // How many say that the session is theirs.
  int Owners(const std::string& id, std::vector<TokenId>* tokens = nullptr) {
    int owners = 0;
    for (int i = 0; i < 2; ++i) {
      const auto read = store(i).Read(kAcme, id, kNow);
      if (!read) continue;
      ++owners;
      if (tokens != nullptr) *tokens = read->tokens;
    }
    return owners;
  }

  void Recover() {
    at_ = -1;
    for (int i = 0; i < 2; ++i) {
      if (sides_[i].dead) Start(i);
    }
    now_ += kLater;
    for (Side& side : sides_) side.receiver->Settle();
    for (Side& side : sides_) side.sender->SettleDeparted(side.peers);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(InDoubt(i) + Departed(i), 0u);
    for (Side& side : sides_) side.store->CheckInvariants();
  }

 private:
  PeerAnswer Hear(int to, std::string_view action, std::string_view body) {
    Side& side = sides_[to];
    const Peer& from = side.peers.peers().front();
    Result<std::string> done = Refuse(ErrorCode::kUnsupported, "what?");
    if (action == "offer") {
      hosts.space_of = [](const std::string& tenant) -> Result<SessionSpace> {
        if (tenant == kAcme.tenant) return kAcme;
        return Refuse(ErrorCode::kPeer, "no such tenant");
      };
      hosts.check = [](const SessionSpace&, ReadSession read) -> Result<SessionStore::Draft> {
        SessionStore::Draft draft;
        draft.id = read.content.session.id;
        draft.epoch = read.content.session.epoch + 1;
        draft.state = read.content.session.state;
        draft.tokens = read.content.tokens;
        return draft;
      };
      done = side.receiver->Take(from, body, hosts);
    } else if (action == "pull") {
      done = side.sender->Pull(from, body);
    } else if (action == "claim") {
      done = side.sender->Claim(from, body);
    } else if (action == "resolve") {
      done = side.sender->Resolve(from, body);
    } else if (action == "arrived") {
      done = side.receiver->Arrived(from, body);
    } else if (action == "settle") {
      done = side.sender->Settle(from, body);
    }
    PeerAnswer answer;
    if (done) {
      answer.body = *std::move(done);
    } else {
      answer.refusal = std::move(done).error();
    }
    const auto sent = DecodeAnswer(EncodeAnswer(answer));
    EXPECT_TRUE(sent);
    return sent ? *sent : PeerAnswer();
  }

  std::string folder_;
  Side sides_[2];
  std::vector<std::shared_ptr<SessionStore>> graves_;
  std::vector<std::unique_ptr<HandoffSender>> old_senders_;
  std::vector<std::unique_ptr<HandoffReceiver>> old_receivers_;
  std::pair<std::string, std::string> late_;
  int late_to_ = 0;
  int asked_ = 0;
  int at_ = -1;
  int64_t now_ = kNow;
  Fault fault_ = Fault::kNone;
};

const std::vector<TokenId> kTokens = {3, 1, 4, 1, 5};

Session NewSession(World& world) {
  SessionStore::Draft draft;
  draft.id = "one";
  draft.tokens = kTokens;
  draft.state.seed = 7;
  auto made = world.store(0).Create(kAcme, draft, kNow);
  EXPECT_TRUE(made);
  return *made;
}

Result<Session> Append(World& world, int side, TokenId token) {
  const auto now = world.store(side).Get(kAcme, "one", kNow);
  if (!now) return std::unexpected(now.error());
  return world.store(side).Write(kAcme, "one", {now->version, now->tokens, {token}, now->state},
                                 kNow);
}

TEST(Handoff, GivesTheWholeSessionToOneOwner) {
  World world;
  const Session before = NewSession(world);
  const auto outcome = world.HandOff(0, "one");
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_TRUE(outcome->settled);
  EXPECT_EQ(outcome->tokens, 5u);
  EXPECT_EQ(outcome->session.moved_to, "http://b");
  const auto there = world.store(1).Read(kAcme, "one", kNow);
  ASSERT_TRUE(there);
  EXPECT_EQ(there->tokens, kTokens);
  EXPECT_EQ(there->session.state, before.state);
  EXPECT_EQ(there->session.epoch, before.epoch + 1);
  const auto refused = Append(world, 0, 9);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kMoved);
  EXPECT_EQ(refused.error().location, "http://b");
  EXPECT_EQ(world.store(0).Fork(kAcme, "one", "two", kNow).error().code, ErrorCode::kMoved);
  EXPECT_EQ(world.store(0).Pin(kAcme, "one", kNow + 1, kNow).error().code, ErrorCode::kMoved);
  EXPECT_TRUE(Append(world, 1, 9));
  world.Recover();
}

TEST(Handoff, ComesBackOverWhatItLeftBehind) {
  World world;
  (void)NewSession(world);
  ASSERT_TRUE(world.HandOff(0, "one"));
  ASSERT_TRUE(Append(world, 1, 9));
  const auto back = world.HandOff(1, "one");
  ASSERT_TRUE(back) << back.error().message;
  ASSERT_TRUE(Append(world, 0, 2));
  std::vector<TokenId> tokens;
  EXPECT_EQ(world.Owners("one", &tokens), 1);
  EXPECT_EQ(tokens, (std::vector<TokenId>{3, 1, 4, 1, 5, 9, 2}));
  EXPECT_EQ(world.store(0).Get(kAcme, "one", kNow)->epoch, 3u);
  world.Recover();
}

TEST(Handoff, IsRefusedWhereTheIdIsTaken) {
  World world;
  (void)NewSession(world);
  SessionStore::Draft draft;
  draft.id = "one";
  ASSERT_TRUE(world.store(1).Create(kAcme, draft, kNow));
  const auto refused = world.HandOff(0, "one");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_TRUE(Append(world, 0, 9));
  world.Recover();
}

// Whatever dies or is lost at whichever message: once both are up and have talked, one has it, with
// all of its tokens, and the other says where it is or knows nothing of it.
class HandoffFaults : public testing::TestWithParam<Fault> {};

TEST_P(HandoffFaults, LeaveExactlyOneOwner) {
  int moved = 0;
  for (int message = 0; message < 8; ++message) {
    World world;
    (void)NewSession(world);
    world.FailAt(message, GetParam());
    const auto outcome = world.HandOff(0, "one");
    if (world.asked() <= message) break;
    // While it is in doubt nobody begins another one of that name at the receiver.
    world.Recover();
    std::vector<TokenId> tokens;
    EXPECT_EQ(world.Owners("one", &tokens), 1) << "message " << message;
    EXPECT_EQ(tokens, kTokens);
    moved += world.store(1).Get(kAcme, "one", kNow).has_value();
    // And it can still be handed on, from whoever has it.
    const int owner = world.store(1).Read(kAcme, "one", kNow) ? 1 : 0;
    EXPECT_TRUE(Append(world, owner, 9));
    EXPECT_FALSE(Append(world, 1 - owner, 9));
    const auto again = world.HandOff(owner, "one");
    EXPECT_TRUE(again) << again.error().message;
    EXPECT_EQ(world.Owners("one"), 1);
    const bool nobody_dies = GetParam() == Fault::kLost || GetParam() == Fault::kLate ||
                             GetParam() == Fault::kAnswerLost;
    if (outcome) {
      EXPECT_NE(owner, 0) << "what was said is true";
    } else if (nobody_dies) {
      EXPECT_EQ(owner, 0) << "what was said is true: " << outcome.error().message;
    }
  }
  const bool late = GetParam() == Fault::kAnswerLost || GetParam() == Fault::kOwnerDiesLate ||
                    GetParam() == Fault::kTakerDies;
  if (late) {
    EXPECT_GT(moved, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Everywhere, HandoffFaults,
                         testing::Values(Fault::kLost, Fault::kLate, Fault::kAnswerLost,
                                         Fault::kOwnerDies, Fault::kOwnerDiesLate,
                                         Fault::kTakerDies));

// The claim that comes in after the owner has said "kept" must not count.
TEST(Handoff, AClaimThatIsLateIsNotHeard) {
  World world;
  (void)NewSession(world);
  world.FailAt(2, Fault::kLate);  // the claim; so the receiver asks, and hears "kept"
  const auto outcome = world.HandOff(0, "one");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(world.Owners("one"), 1);
  EXPECT_TRUE(Append(world, 0, 9));
}

// A receiver that pulls and claims, whose answer to the offer is lost.
class Claimer : public PeerLink {
 public:
  explicit Claimer(SessionStore& store) : sender(store, *this, [] { return kNow; }) {}

  Result<PeerAnswer> Ask(const Peer&, std::string_view, std::string_view body,
                         std::chrono::milliseconds) override {
    handoff = DecodeOffer(body)->handoff;
    EXPECT_TRUE(sender.Pull(peer, handoff));
    if (between) between();
    claimed = sender.Claim(peer, handoff).has_value();
    return Refuse(ErrorCode::kPeer, "lost");
  }
  Result<std::string> Fetch(const Peer&, std::string_view, std::string_view,
                            std::chrono::milliseconds) override {
    return std::string();
  }

  const Peer peer{"b", "http://b", std::string(32, 'p')};
  HandoffSender sender;
  std::string handoff;
  std::function<void()> between;
  bool claimed = false;
};

// Who gets no answer to a claim may send it again, and forgets the session if that is refused.
TEST(Handoff, AClaimThatWasHeardIsHeardAgainWhenTheOfferIsClosed) {
  World world;
  (void)NewSession(world);
  Claimer claimer(world.store(0));
  ASSERT_TRUE(claimer.sender.HandOff(kAcme, "one", claimer.peer, nullptr));
  ASSERT_TRUE(claimer.claimed);
  EXPECT_TRUE(claimer.sender.Claim(claimer.peer, claimer.handoff));
  EXPECT_FALSE(claimer.sender.Claim(claimer.peer, std::string(kHandoffIdBytes, 'x')));
}

TEST(Handoff, AClaimThatWasRefusedIsNeverHeardAfterwards) {
  World world;
  (void)NewSession(world);
  Claimer claimer(world.store(0));
  claimer.between = [&] {
    ASSERT_TRUE(Append(world, 0, 9));
    EXPECT_FALSE(claimer.sender.Claim(claimer.peer, claimer.handoff)) << "it was changed";
    EXPECT_TRUE(claimer.sender.Pull(claimer.peer, claimer.handoff).error().code ==
                ErrorCode::kNotFound);
  };
  EXPECT_FALSE(claimer.sender.HandOff(kAcme, "one", claimer.peer, nullptr));
  EXPECT_FALSE(claimer.claimed);
  EXPECT_TRUE(Append(world, 0, 9));
}

TEST(Handoff, InDoubtTheReceiverSaysSoAndKeepsTheNameFree) {
  World world;
  (void)NewSession(world);
  world.FailAt(2, Fault::kOwnerDiesLate);
  (void)world.HandOff(0, "one");  // nobody hears how it ended
  world.receiver(1).Settle();
  EXPECT_EQ(world.InDoubt(1), 1u);
  EXPECT_EQ(world.store(1).Close(kAcme, "one", kNow).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(world.store(1).Get(kAcme, "one", kNow).error().code, ErrorCode::kUnavailable);
  SessionStore::Draft draft;
  draft.id = "one";
  EXPECT_EQ(world.store(1).Create(kAcme, draft, kNow).error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE(world.store(1).List(kAcme, {}, kNow)->empty());
  world.Recover();
  EXPECT_TRUE(world.store(1).Get(kAcme, "one", kNow));
}

// The one message of which the answer is lost, so that the owner does not know.
constexpr int kOffer = 0;
constexpr int kClaim = 2;

TEST(Handoff, OneThatWasDeletedAfterItArrivedHasArrived) {
  World world;
  (void)NewSession(world);
  world.FailAt(kOffer, Fault::kAnswerLost);
  const auto outcome = world.HandOff(0, "one");
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(outcome->settled);
  ASSERT_TRUE(world.store(1).Close(kAcme, "one", kNow));
  world.Recover();
  EXPECT_EQ(world.Owners("one"), 0);
  EXPECT_EQ(world.store(0).Get(kAcme, "one", kNow)->tokens, 0u) << "it was kept for nobody";
}

TEST(Handoff, AnOwnerThatAsksSettlesWhatIsInDoubt) {
  World world;
  (void)NewSession(world);
  world.FailAt(kClaim, Fault::kOwnerDiesLate);
  (void)world.HandOff(0, "one");
  ASSERT_EQ(world.InDoubt(1), 1u);
  world.Start(0);
  world.SettleDeparted(0);
  EXPECT_EQ(world.InDoubt(1) + world.Departed(0), 0u);
  EXPECT_TRUE(Append(world, 1, 9));
}

TEST(Handoff, APeerThatIsSilentIsLeftAlone) {
  World world;
  (void)NewSession(world);
  world.FailAt(kOffer, Fault::kAnswerLost);
  ASSERT_TRUE(world.HandOff(0, "one"));
  world.Kill(1);
  world.SettleDeparted(0);
  const int asked = world.asked();
  for (int i = 0; i < 100; ++i) world.SettleDeparted(0);
  EXPECT_EQ(world.asked(), asked);
  world.PassTime(kLater);
  world.SettleDeparted(0);
  EXPECT_EQ(world.asked(), asked + 1);
  world.Recover();
}

// A hundred that the receiver never hears of stand before one that it has.
TEST(Handoff, WhatHasDepartedIsAskedForInTurn) {
  World world;
  (void)NewSession(world);
  for (int i = 0; i < 100; ++i) {
    SessionStore::Draft draft;
    draft.id = "lost" + std::to_string(i);
    const auto made = world.store(0).Create(kAcme, draft, kNow);
    ASSERT_TRUE(made);
    std::string handoff(kHandoffIdBytes, '\0');
    handoff.back() = static_cast<char>(i);
    ASSERT_TRUE(
        world.store(0).Depart(kAcme, draft.id, {handoff, "b", made->version, "http://b"}, kNow));
  }
  world.FailAt(kOffer, Fault::kAnswerLost);
  ASSERT_TRUE(world.HandOff(0, "one"));
  for (int i = 0; i < 4; ++i) world.SettleDeparted(0);
  EXPECT_EQ(world.store(0).Get(kAcme, "one", kNow)->tokens, 0u);
  EXPECT_EQ(world.Departed(0), 100u);
}

// Each of the two is gone for good, says an operator, while the session is in doubt; and then it
// comes back. `taken`: by reclaiming it; else it was ended.
void TellAndComeBack(Fault fault, int here, bool taken) {
  SCOPED_TRACE(here);
  World world;
  const Session before = NewSession(world);
  world.FailAt(kClaim, fault);
  (void)world.HandOff(0, "one");
  ASSERT_EQ(world.Owners("one"), 0);
  if (taken) {
    const auto session = world.store(here).Reclaim(kAcme, "one", kNow);
    ASSERT_TRUE(session) << session.error().message;
    EXPECT_GT(session->epoch, before.epoch + 1);
    EXPECT_TRUE(world.store(here).Reclaim(kAcme, "one", kNow)) << "a second time changes nothing";
    EXPECT_EQ(world.store(here).Read(kAcme, "one", kNow)->tokens, kTokens);
  } else {
    const Status ended = world.store(here).EndInDoubt(kAcme, "one", kNow);
    ASSERT_TRUE(ended) << ended.error().message;
    EXPECT_EQ(world.store(here).Get(kAcme, "one", kNow).error().code, ErrorCode::kNotFound);
  }
  world.store(here).CheckInvariants();
  world.Recover();
  EXPECT_EQ(world.Owners("one"), taken ? 1 : 0);
  if (taken) {
    EXPECT_TRUE(Append(world, here, 9));
  }
}

TEST(Handoff, AnOperatorsWordEndsADoubt) {
  for (const bool taken : {true, false}) {
    TellAndComeBack(Fault::kOwnerDiesLate, 1, taken);
    TellAndComeBack(Fault::kTakerDies, 0, taken);
  }
}

TEST(Handoff, WhatHasArrivedCannotBeTakenBack) {
  World world;
  (void)NewSession(world);
  ASSERT_TRUE(world.HandOff(0, "one"));
  EXPECT_EQ(world.store(0).Reclaim(kAcme, "one", kNow).error().code, ErrorCode::kConflict);
  EXPECT_EQ(world.store(0).Reclaim(kAcme, "two", kNow).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(world.store(0).EndInDoubt(kAcme, "two", kNow).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(world.store(0).EndInDoubt(kAcme, "one", kNow)) << "the address alone";
  EXPECT_EQ(world.Owners("one"), 1);
}

TEST(Handoff, AnOfferThatComesTwiceSaysSo) {
  World world;
  (void)NewSession(world);
  std::string offer;
  std::string told;
  world.on_ask = [&](std::string_view action) {
    if (action != "claim" || !told.empty()) return;
    const std::string handoff =
        world.store(1).Arrivals({.peer = "a", .after = {}})->front().handoff;
    const auto again =
        world.receiver(1).Take(Peer{"a", "http://a", std::string(32, 'p')},
                               Encode(OfferMessage{handoff, "acme", "one"}), world.hosts);
    told = again ? "taken" : again.error().message;
  };
  ASSERT_TRUE(world.HandOff(0, "one"));
  EXPECT_NE(told.find("this session already"), std::string::npos) << told;
}

// An engine that never has a moment.
class BusyEngine {
 public:
  KvCourier courier{
      {.view = {.shape = {.layers = 1, .kv_heads = 1, .head_dim = 32}},
       .identity = {},
       .scope_secret = std::string(32, 's'),
       .post = [this](std::function<void()> task) { tasks_.push_back(std::move(task)); }}};

 private:
  std::vector<std::function<void()>> tasks_;
};

TEST(Handoff, KvThatIsLateIsComputedAndTheSessionIsThere) {
  World world;
  (void)NewSession(world);
  BusyEngine engine;
  world.hosts.courier = &engine.courier;
  world.hosts.kv_patience = std::chrono::milliseconds(20);
  const auto outcome = world.HandOff(0, "one");
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->settled);
  EXPECT_EQ(world.store(1).Read(kAcme, "one", kNow)->tokens, kTokens);
}

// Whatever has used up the time, nothing more is waited for.
TEST(Handoff, KvHasOneDeadline) {
  World world;
  BusyEngine engine;
  auto chain = std::make_shared<KvChain>();
  chain->block_names.resize(40);
  int fetched = 0;
  world.on_ask = [&](std::string_view) { ++fetched; };
  const Peer peer{"a", "http://a", std::string(32, 'p')};
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  const KvReport report = FetchKv(world, peer, "", chain, engine.courier, until);
  EXPECT_EQ(fetched, 0);
  EXPECT_EQ(report.asked, 0u);
  EXPECT_NE(report.why.find("in the time"), std::string::npos) << report.why;
}

TEST(PeerSeal, OnlyWhoSharesTheSecretIsHeard) {
  const Peer b{"b", "http://b", std::string(32, 'p')};
  const Peer a{"a", "http://a", std::string(32, 'p')};
  const Peer other{"a", "http://a", std::string(32, 'q')};
  const auto here = *PeerDirectory::Make({a}, "b");
  const auto question = SealQuestion(b, "a", "pull", "body");
  const auto heard = ReadQuestion(here, "pull", question.bytes);
  ASSERT_TRUE(heard) << heard.error().message;
  EXPECT_EQ(heard->body, "body");
  EXPECT_EQ(heard->mark, question.mark);
  EXPECT_FALSE(ReadQuestion(here, "claim", question.bytes)) << "another question";
  EXPECT_EQ(ReadQuestion(*PeerDirectory::Make({other}, "b"), "pull", question.bytes).error().code,
            ErrorCode::kUnauthorized);
  EXPECT_FALSE(ReadQuestion(*PeerDirectory::Make({b}, "c"), "pull", question.bytes));
  EXPECT_TRUE(ReadQuestion(here, "pull", SealQuestion(b, "", "pull", "x").bytes)) << "no name";
  Peer c = a;
  c.name = "c";
  const auto two = *PeerDirectory::Make({a, c}, "b");
  EXPECT_FALSE(ReadQuestion(two, "pull", SealQuestion(b, "", "pull", "x").bytes)) << "which one?";
  const std::string answer = SealAnswer(a, "pull", heard->mark, "yes");
  EXPECT_EQ(ReadAnswer(b, "pull", question.mark, answer), "yes");
  const auto second = SealQuestion(b, "a", "pull", "body");
  EXPECT_FALSE(ReadAnswer(b, "pull", second.mark, answer)) << "an answer to another question";
  for (size_t i = 0; i < question.bytes.size(); ++i) {
    std::string flipped = question.bytes;
    flipped[i] ^= 1;
    EXPECT_FALSE(ReadQuestion(here, "pull", flipped));
    EXPECT_FALSE(ReadQuestion(here, "pull", std::string_view(question.bytes).substr(0, i)));
  }
}

TEST(PeerDirectory, RefusesWhatCannotWork) {
  for (const char* text :
       {"b", "=http://b", "b=ftp://b", "b=http://", "a b=http://b", "b=https://x\ny"}) {
    EXPECT_FALSE(ParsePeer(text, "/dev/null")) << text;
  }
  EXPECT_FALSE(ParsePeer("b=http://b", "")) << "no secret";
  EXPECT_FALSE(ParsePeer("b=http://b", "/does/not/exist"));
  const Peer b{"b", "http://b", std::string(32, 'p')};
  EXPECT_FALSE(PeerDirectory::Make({b, b}, "a"));
}

}  // namespace
}  // namespace quire
