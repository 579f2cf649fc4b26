#include "session/session_store.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

namespace quire {
namespace {

using Tokens = std::vector<TokenId>;
const std::string kSecret(kSessionSecretBytes, 's');
const SessionSpace kAcme{"acme", 1, SessionKind::kSession};
const SessionSpace kBeta{"beta", 1, SessionKind::kSession};
const SessionSpace kAnswers{"acme", 1, SessionKind::kResponse};

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/quire_session_XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file() const { return path_ + "/sessions.db"; }
  std::string bytes() const {
    std::stringstream all;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      all << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    }
    return all.str();
  }

 private:
  std::string path_;
};

std::unique_ptr<SessionStore> OpenStore(const Folder& folder, SessionStore::Limits limits = {}) {
  auto store = SessionStore::Open(folder.file(), kSecret, limits);
  EXPECT_TRUE(store) << store.error().message;
  return store ? *std::move(store) : nullptr;
}

Tokens Range(TokenId first, size_t count) {
  Tokens tokens(count);
  for (size_t i = 0; i < count; ++i) tokens[i] = first + static_cast<TokenId>(i);
  return tokens;
}

SessionStore::Draft New(const std::string& id, Tokens tokens = {}) {
  SessionStore::Draft draft;
  draft.id = id;
  draft.tokens = std::move(tokens);
  draft.state.seed = 7;
  return draft;
}

Result<Session> Add(SessionStore& store, const Session& session, const Tokens& tokens) {
  return store.Write(kAcme, session.id, {session.version, session.tokens, tokens, session.state},
                     2);
}

TEST(SessionStore, KeepsWhatWasWritten) {
  const Folder folder;
  auto store = OpenStore(folder);
  auto session = store->Create(kAcme, New("one", {1, 2, 3}), 1);
  ASSERT_TRUE(session);
  session->state.settings = "{\"temperature\": 0}";
  session->state.message_ends = {2};
  session = Add(*store, *session, {4, 5});
  ASSERT_TRUE(session) << session.error().message;
  store = OpenStore(folder);
  const auto read = store->Read(kAcme, "one", 3);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->tokens, (Tokens{1, 2, 3, 4, 5}));
  EXPECT_EQ(read->session.state, session->state);
  EXPECT_EQ(read->session.version, 2u);
  store->CheckInvariants();
}

TEST(SessionStore, BringsAFileOfTheFirstVersionUp) {
  const Folder folder;
  ASSERT_TRUE(OpenStore(folder)->Create(kAcme, New("one", {1, 2, 3}), 1));
  ASSERT_TRUE(OpenStore(folder)->database().Execute(
      "DROP TABLE departure; DROP TABLE arrival; DROP TABLE arrived; "
      "ALTER TABLE session DROP COLUMN forked_from; PRAGMA user_version=1"));
  const auto store = OpenStore(folder);
  EXPECT_EQ(store->Read(kAcme, "one", 1)->tokens, (Tokens{1, 2, 3}));
  EXPECT_EQ(store->CountDoubts()->arriving, 0u);
}

// As many hand-offs as are remembered, and as long; what was said of those before is forgotten.
TEST(SessionStore, ForgetsHandOffsOfLongAgo) {
  const Folder folder;
  const auto store = OpenStore(folder);
  const auto arrive = [&](int number, int64_t now_ms) {
    std::string handoff(kHandoffIdBytes, static_cast<char>(number));
    SessionStore::Draft draft = New("one", {1, 2, 3});
    draft.epoch = static_cast<uint64_t>(number) + 1;
    EXPECT_TRUE(store->Stage({handoff, "b", "origin", kAcme, "one"}, draft, now_ms));
    EXPECT_FALSE(*store->HasArrived(handoff));
    EXPECT_TRUE(store->Activate(handoff, "b", now_ms));
    EXPECT_TRUE(store->Close(kAcme, "one", now_ms));
    EXPECT_TRUE(*store->HasArrived(handoff));
    return handoff;
  };
  const std::string first = arrive(1, 1000);
  const std::string second = arrive(2, 1000 + SessionStore::kArrivedKeptMs);
  EXPECT_TRUE(*store->HasArrived(first));
  (void)arrive(3, 1001 + SessionStore::kArrivedKeptMs);
  EXPECT_FALSE(*store->HasArrived(first));
  EXPECT_TRUE(*store->HasArrived(second));
  ASSERT_TRUE(store->database().Execute("UPDATE sqlite_sequence SET seq = 100001"));
  (void)arrive(4, 1002 + SessionStore::kArrivedKeptMs);
  EXPECT_FALSE(*store->HasArrived(second));
  store->CheckInvariants();
}

TEST(SessionStore, AnotherTenantOrKindFindsNothing) {
  const Folder folder;
  const auto store = OpenStore(folder);
  ASSERT_TRUE(store->Create(kAcme, New("one"), 1));
  const SessionSpace later{"acme", 2, SessionKind::kSession};
  for (const SessionSpace& space : {kBeta, kAnswers, later}) {
    EXPECT_EQ(store->Read(space, "one", 1).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(store->Close(space, "one", 1).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(store->Fork(space, "one", "two", 1).error().code, ErrorCode::kNotFound);
    EXPECT_TRUE(store->List(space, {}, 1)->empty());
  }
  EXPECT_TRUE(store->Create(kBeta, New("one"), 1));
  EXPECT_EQ(store->Create(kAcme, New("one"), 1).error().code, ErrorCode::kConflict);
}

TEST(SessionStore, OfTwoWritersOneIsToldSo) {
  const Folder folder;
  const auto store = OpenStore(folder);
  const auto other = OpenStore(folder);  // as another process would
  const auto session = store->Create(kAcme, New("one"), 1);
  ASSERT_TRUE(Add(*other, *session, {1}));
  EXPECT_EQ(Add(*store, *session, {2}).error().code, ErrorCode::kConflict);
  EXPECT_EQ(store->Read(kAcme, "one", 1)->tokens, Tokens{1});
}

TEST(SessionStore, AForkSharesRowsAndGoesItsOwnWay) {
  const Folder folder;
  const auto store = OpenStore(folder);
  const auto session = store->Create(kAcme, New("one", Range(0, 10000)), 1);
  const auto rows = [&] {
    Statement query = store->database().Prepare("SELECT count(*) FROM run");
    EXPECT_TRUE(query.Step());
    return query.GetInt(0);
  };
  const int64_t before = rows();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(store->Fork(kAcme, "one", "fork" + std::to_string(i), 1));
  }
  EXPECT_EQ(rows(), before);
  ASSERT_TRUE(Add(*store, *store->Get(kAcme, "fork5", 1), {77}));
  ASSERT_TRUE(Add(*store, *store->Get(kAcme, "one", 1), {88}));
  ASSERT_TRUE(store->Close(kAcme, "one", 1));  // the others keep what they need
  store->CheckInvariants();
  EXPECT_EQ(store->Read(kAcme, "fork4", 1)->tokens, Range(0, 10000));
  EXPECT_EQ(store->Read(kAcme, "fork5", 1)->tokens.back(), 77);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(store->Close(kAcme, "fork" + std::to_string(i), 1));
  EXPECT_EQ(rows(), 0);
  store->CheckInvariants();
}

TEST(SessionStore, AForkKnowsWhoseItIsAsLongAsThatIsThere) {
  const Folder folder;
  auto store = OpenStore(folder);
  ASSERT_EQ(store->Create(kAcme, New("one", {1, 2, 3}), 1)->forked_from, "");
  ASSERT_EQ(store->Fork(kAcme, "one", "two", 1)->forked_from, "one");
  ASSERT_EQ(store->Fork(kAcme, "two", "three", 1)->forked_from, "two");
  store = OpenStore(folder);
  const auto three = store->Get(kAcme, "three", 1);
  ASSERT_EQ(three->forked_from, "two");
  EXPECT_EQ(Add(*store, *three, {9})->forked_from, "two");  // stays when it goes its own way
  const auto all = store->List(kAcme, {}, 1);
  ASSERT_EQ(all->size(), 3u);
  EXPECT_EQ((*all)[0].forked_from, "");
  // Another one of that name is not the one.
  ASSERT_TRUE(store->Close(kAcme, "two", 1));
  EXPECT_EQ(store->Get(kAcme, "three", 1)->forked_from, "");
  ASSERT_TRUE(store->Create(kAcme, New("two"), 1));
  EXPECT_EQ(store->Get(kAcme, "three", 1)->forked_from, "");
  store->CheckInvariants();
}

TEST(SessionStore, AForkOfWhatHasExpiredIsNobodys) {
  const Folder folder;
  const auto store = OpenStore(folder);
  SessionStore::Draft draft = New("one", {1, 2, 3});
  draft.ttl_seconds = 1;
  ASSERT_TRUE(store->Create(kAcme, draft, 0));
  ASSERT_TRUE(store->Fork(kAcme, "one", "two", 900));
  EXPECT_EQ(store->Get(kAcme, "two", 999)->forked_from, "one");
  EXPECT_EQ(store->Get(kAcme, "two", 1100)->forked_from, "");
}

TEST(SessionStore, ChainsOfForksStayShort) {
  const Folder folder;
  const auto store = OpenStore(folder);
  ASSERT_TRUE(store->Create(kAcme, New("s0", {0}), 1));
  Tokens expected = {0};
  for (int i = 0; i < 100; ++i) {  // each forks the last, and both go on
    const std::string from = "s" + std::to_string(i);
    const std::string to = "s" + std::to_string(i + 1);
    ASSERT_TRUE(store->Fork(kAcme, from, to, 1));
    ASSERT_TRUE(Add(*store, *store->Get(kAcme, from, 1), {9000 + i}));
    ASSERT_TRUE(Add(*store, *store->Get(kAcme, to, 1), {i}));
    expected.push_back(i);
    store->CheckInvariants();
  }
  EXPECT_EQ(store->Read(kAcme, "s100", 1)->tokens, expected);
}

TEST(SessionStore, ExpiresUnlessPinned) {
  const Folder folder;
  const auto store = OpenStore(folder);
  SessionStore::Draft draft = New("short", {1});
  draft.ttl_seconds = 10;
  ASSERT_TRUE(store->Create(kAcme, draft, 0));
  draft.id = "pinned";
  ASSERT_TRUE(store->Create(kAcme, draft, 0));
  ASSERT_TRUE(store->Pin(kAcme, "pinned", 50000, 1));
  ASSERT_TRUE(store->Create(kAcme, New("forever"), 0));
  EXPECT_TRUE(store->Get(kAcme, "short", 9999));
  EXPECT_EQ(store->Get(kAcme, "short", 10000).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(*store->Expire(10000, 100), 1u);
  EXPECT_TRUE(store->Get(kAcme, "pinned", 49999));
  EXPECT_EQ(*store->Expire(50000, 100), 1u);
  EXPECT_TRUE(store->Get(kAcme, "forever", int64_t{1} << 40));
  ASSERT_TRUE(store->Create(kAcme, draft, 60000));  // the name is free again
  EXPECT_TRUE(store->Create(kAcme, draft, 80000));  // also before anybody swept
  store->CheckInvariants();
}

TEST(SessionStore, LimitsAreOfEachTenant) {
  const Folder folder;
  const auto store = OpenStore(folder, {.count = 3, .bytes = 4000});
  for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(store->Create(kAcme, New(id), 1));
  EXPECT_EQ(store->Create(kAcme, New("d"), 1).error().code, ErrorCode::kQuotaExceeded);
  EXPECT_EQ(Add(*store, *store->Get(kAcme, "a", 1), Range(0, 1000)).error().code,
            ErrorCode::kQuotaExceeded);
  EXPECT_TRUE(store->Read(kAcme, "a", 1)->tokens.empty());  // nothing of it stayed
  ASSERT_TRUE(Add(*store, *store->Get(kAcme, "a", 1), Range(0, 500)));
  EXPECT_TRUE(store->Create(kBeta, New("d", Range(0, 500)), 1));
  store->CheckInvariants();
}

TEST(SessionStore, OldResponsesMakeRoom) {
  const Folder folder;
  const auto store = OpenStore(folder, {.count = 3, .bytes = 4000});
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(store->Create(kAnswers, New("r" + std::to_string(i), Range(0, 300)), i));
    store->CheckInvariants();
  }
  EXPECT_FALSE(store->Get(kAnswers, "r6", 10));
  EXPECT_TRUE(store->Get(kAnswers, "r9", 10));
  // What never fits does not, and takes nobody with it.
  EXPECT_EQ(store->Create(kAnswers, New("big", Range(0, 2000)), 11).error().code,
            ErrorCode::kQuotaExceeded);
  EXPECT_TRUE(store->Get(kAnswers, "r9", 12));
}

TEST(SessionStore, PurgeLeavesOnlyTheNewGeneration) {
  const Folder folder;
  const auto store = OpenStore(folder);
  const SessionSpace later{"acme", 2, SessionKind::kSession};
  ASSERT_TRUE(store->Create(kAcme, New("one", {1, 2}), 1));
  ASSERT_TRUE(store->Create(later, New("two", {3}), 1));
  ASSERT_TRUE(store->Create(kBeta, New("one", {4}), 1));
  ASSERT_TRUE(store->Purge("acme", 2));
  EXPECT_FALSE(store->Get(kAcme, "one", 1));
  EXPECT_EQ(store->Read(later, "two", 1)->tokens, Tokens{3});
  EXPECT_EQ(store->Read(kBeta, "one", 1)->tokens, Tokens{4});
  store->CheckInvariants();
}

TEST(SessionStore, RefusesAnotherMasterKeyAndOtherFiles) {
  const Folder folder;
  OpenStore(folder);
  const auto other = SessionStore::Open(folder.file(), std::string(32, 'x'), {});
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("master key"), std::string::npos);
  const Folder second;
  std::ofstream(second.file()) << std::string(10000, 'z');
  EXPECT_EQ(SessionStore::Open(second.file(), kSecret, {}).error().code, ErrorCode::kCorrupt);
}

TEST(SessionStore, NothingReadableIsOnTheDisk) {
  const Folder folder;
  const auto store = OpenStore(folder);
  SessionStore::Draft draft = New("one", Range(1000000, 2000));
  draft.state.text = "attack at dawn, attack at dawn";
  draft.state.settings = "the settings nobody else reads";
  ASSERT_TRUE(store->Create(kAcme, draft, 1));
  const std::string bytes = folder.bytes();
  EXPECT_EQ(bytes.find("attack at dawn"), std::string::npos);
  EXPECT_EQ(bytes.find("nobody else reads"), std::string::npos);
  EXPECT_EQ(bytes.find(kSecret), std::string::npos);
  const TokenId two[] = {1000100, 1000101};
  EXPECT_EQ(bytes.find(std::string(reinterpret_cast<const char*>(two), sizeof(two))),
            std::string::npos);
}

// Rows that were moved, swapped or changed do not open.
TEST(SessionStore, RowsBelongToTheirPlace) {
  const char* const kHarm[] = {
      "UPDATE run SET sealed = (SELECT sealed FROM run WHERE log = 2) WHERE log = 1",
      "UPDATE run SET sealed = zeroblob(length(sealed)) WHERE log = 1",
      "UPDATE run SET count = 4 WHERE log = 1",
      "UPDATE log SET uid = (SELECT uid FROM log WHERE serial = 2) WHERE serial = 1",
      "UPDATE session SET log = 2 WHERE id = 'one'",
      "UPDATE session SET tokens = 4 WHERE id = 'one'",
      "UPDATE session SET state = (SELECT state FROM session WHERE id = 'two') WHERE id = 'one'",
      "UPDATE session SET version = 9 WHERE id = 'one'",
      "DELETE FROM run WHERE log = 1",
      "DELETE FROM log WHERE serial = 1",
  };
  for (const char* harm : kHarm) {
    const Folder folder;
    const auto store = OpenStore(folder);
    ASSERT_TRUE(store->Create(kAcme, New("one", Range(0, 5)), 1));
    ASSERT_TRUE(store->Create(kAcme, New("two", Range(50, 5)), 1));
    ASSERT_TRUE(store->database().Execute(harm));
    const auto read = store->Read(kAcme, "one", 1);
    ASSERT_FALSE(read) << harm;
    EXPECT_EQ(read.error().code, ErrorCode::kCorrupt) << harm;
    EXPECT_EQ(store->Read(kAcme, "two", 1)->tokens, Range(50, 5)) << harm;
    EXPECT_TRUE(store->Close(kAcme, "one", 1)) << harm;
  }
}

TEST(SessionStore, AFullDiskIsAnAnswer) {
  const Folder folder;
  const auto store = OpenStore(folder);
  const auto session = store->Create(kAcme, New("one", {1}), 1);
  store->database().LimitPages(20);
  Status status;
  for (int i = 0; i < 50 && status; ++i) {
    const auto added = Add(*store, *store->Get(kAcme, "one", 1), Range(0, 4096));
    if (!added) status = std::unexpected(added.error());
  }
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
  const auto read = store->Read(kAcme, "one", 1);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->tokens.size() % 4096, 1u);
  store->CheckInvariants();
  store->database().LimitPages(0);
  EXPECT_TRUE(Add(*store, read->session, {5}));
}

// A map of vectors, beside which the store is driven.
class Naive {
 public:
  explicit Naive(uint32_t seed) : random_(seed) {}

  void Step(SessionStore& store) {
    const std::string id = RandomId();
    const bool is_there = sessions_.contains(id);
    switch (random_() % 8) {
      case 0:
      case 1: {
        const Tokens tokens = RandomTokens();
        const auto made = store.Create(kAcme, New(id, tokens), 1);
        ASSERT_EQ(made.has_value(), !is_there);
        if (!is_there) sessions_[id] = tokens;
        break;
      }
      case 2: {
        const std::string to = RandomId();
        const bool may = is_there && !sessions_.contains(to);
        ASSERT_EQ(store.Fork(kAcme, id, to, 1).has_value(), may);
        if (may) sessions_[to] = sessions_[id];
        break;
      }
      case 3:
        if (random_() % 3 != 0) break;
        ASSERT_EQ(store.Close(kAcme, id, 1).has_value(), is_there);
        sessions_.erase(id);
        break;
      default:
        if (is_there) Change(store, id);
    }
  }

  void Compare(SessionStore& store) {
    store.CheckInvariants();
    ASSERT_EQ(*store.CountSessions(kAcme), sessions_.size());
    for (const auto& [id, tokens] : sessions_) {
      const auto read = store.Read(kAcme, id, 1);
      ASSERT_TRUE(read) << read.error().message;
      ASSERT_EQ(read->tokens, tokens);
    }
  }

 private:
  std::string RandomId() { return "s" + std::to_string(random_() % 12); }
  Tokens RandomTokens() {
    const size_t sizes[] = {0, 1, 3, 17, 200, 4096, 5000};
    Tokens tokens(sizes[random_() % 7]);
    for (TokenId& token : tokens) token = static_cast<TokenId>(random_() % 50000);
    return tokens;
  }
  void Change(SessionStore& store, const std::string& id) {
    Tokens& tokens = sessions_[id];
    const auto session = store.Get(kAcme, id, 1);
    ASSERT_TRUE(session);
    const bool cuts = random_() % 2 == 0;
    const auto keep = static_cast<uint32_t>(cuts ? random_() % (tokens.size() + 1) : tokens.size());
    const Tokens more = RandomTokens();
    const auto changed = store.Write(kAcme, id, {session->version, keep, more, session->state}, 1);
    ASSERT_TRUE(changed) << changed.error().message;
    tokens.resize(keep);
    tokens.insert(tokens.end(), more.begin(), more.end());
    ASSERT_EQ(changed->tokens, tokens.size());
  }

  std::mt19937 random_;
  std::map<std::string, Tokens> sessions_;
};

TEST(SessionStore, DoesWhatANaiveModelDoes) {
  for (uint32_t seed = 0; seed < 6; ++seed) {
    const Folder folder;
    auto store = OpenStore(folder);
    Naive naive(seed);
    for (int i = 0; i < 150; ++i) {
      naive.Step(*store);
      if (i % 10 == 0) store->CheckInvariants();
      if (i % 25 != 0) continue;
      store.reset();
      store = OpenStore(folder);
      naive.Compare(*store);
    }
    naive.Compare(*store);
    ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed;
  }
}

// Appends 0, 1, 2, ... and tells of each that is acknowledged, until it is killed.
[[noreturn]] void AppendForEver(const Folder& folder, int tell) {
  auto store = SessionStore::Open(folder.file(), kSecret, {});
  auto session = (*store)->Create(kAcme, New("one"), 1);
  for (TokenId next = 0;; ++next) {
    session = Add(**store, *session, {next});
    if (!session || write(tell, &next, sizeof(next)) != sizeof(next)) std::_Exit(1);
  }
}

TEST(SessionStore, WhatWasAcknowledgedSurvivesAKill) {
  std::mt19937 random(5);
  for (int round = 0; round < 6; ++round) {
    const Folder folder;
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    if (child == 0) AppendForEver(folder, pipe_ends[1]);
    close(pipe_ends[1]);
    TokenId last = -1;
    const auto wanted = static_cast<TokenId>(random() % 60);
    while (last < wanted && read(pipe_ends[0], &last, sizeof(last)) == sizeof(last)) {
    }
    kill(child, SIGKILL);
    while (read(pipe_ends[0], &last, sizeof(last)) == sizeof(last)) {
    }
    close(pipe_ends[0]);
    waitpid(child, nullptr, 0);
    ASSERT_GE(last, wanted);
    const auto store = OpenStore(folder);
    const auto content = store->Read(kAcme, "one", 1);
    ASSERT_TRUE(content) << content.error().message;
    // One more may have been written than was told.
    ASSERT_GE(content->tokens.size(), static_cast<size_t>(last) + 1);
    ASSERT_LE(content->tokens.size(), static_cast<size_t>(last) + 2);
    EXPECT_EQ(content->tokens, Range(0, content->tokens.size()));
    store->CheckInvariants();
  }
}

}  // namespace
}  // namespace quire
