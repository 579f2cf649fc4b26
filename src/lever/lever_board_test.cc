#include "lever/lever_board.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace quire {
namespace {

constexpr std::chrono::milliseconds kLockWait(20);

class LeverBoardTest : public testing::Test {
 protected:
  LeverBoardTest() {
    std::string name = "/tmp/quire_lever_XXXXXX";
    folder_ = mkdtemp(name.data());
    ledger_ = std::make_shared<Ledger>(folder_ + "/ledger.db",
                                       LedgerLimits{.days = 0, .write_time = kLockWait},
                                       [](std::string_view) {});
  }
  ~LeverBoardTest() override {
    board_.reset();
    ledger_.reset();
    std::filesystem::remove_all(folder_);
  }

  static Lever Chunks(double share = 0.5) {
    Lever lever;
    lever.name = "chunks";
    lever.owner = "Ann";
    lever.change = {.kind = LeverKind::kChunkTokens, .chunk_tokens = 7};
    lever.share = share;
    lever.by = LeverUnit::kRoute;
    lever.guardrail.metric = LeverMetric::kComputedTokens;
    lever.guardrail.trigger = {.ratio = 1.5, .slack = 0, .at_least = 5, .window_seconds = 3600};
    return lever;
  }

  void Open(std::vector<Lever> levers) {
    board_.reset();
    auto board =
        LeverBoard::Open({.path = folder_ + "/levers.db",
                          .key = "key",
                          .ledger = ledger_,
                          .log = [this](std::string_view line) { log_.emplace_back(line); },
                          .check_every = std::chrono::milliseconds(0),
                          .lock_wait = kLockWait},
                         std::move(levers));
    ASSERT_TRUE(board) << board.error().message;
    board_ = *std::move(board);
  }

  static int64_t NowMs() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  // So that what comes is not of the same millisecond as what was.
  static void NextMoment() {
    const int64_t now = NowMs();
    while (NowMs() == now) std::this_thread::yield();
  }

  // Requests of many routes, with so many tokens computed in each arm.
  void Serve(uint64_t control, uint64_t treatment, int count = 40) {
    for (int i = 0; i < count; ++i) {
      LedgerRow row;
      row.request_id = "req";
      row.tenant = "acme";
      row.route = "r" + std::to_string(i);
      row.started_ms = NowMs();
      const Treatment treated = board_->Treat(row.tenant, row.route);
      row.arms = treated.arms;
      row.tokens.prompt = row.tokens.computed = treated.changes.empty() ? control : treatment;
      ledger_->Add(std::move(row));
    }
    ledger_->Settle();
  }

  LeverState State(const std::string& name = "chunks") {
    for (const LeverStatus& status : board_->List()) {
      if (status.lever.name == name) return status.state;
    }
    ADD_FAILURE() << name;
    return {};
  }

  std::string folder_;
  std::shared_ptr<Ledger> ledger_;
  std::vector<std::string> log_;
  std::unique_ptr<LeverBoard> board_;
};

TEST_F(LeverBoardTest, ItsArmsAreTreatedAsItSays) {
  Lever margin = Chunks();
  margin.name = "a-margin";
  margin.change = {.kind = LeverKind::kAdmissionMargin, .admission_margin = 2};
  Open({margin, Chunks()});
  uint64_t seen[2][2] = {};
  for (int i = 0; i < 100; ++i) {
    const Treatment treated = board_->Treat("acme", "r" + std::to_string(i));
    const bool first = treated.arms.starts_with("a-margin=treatment,chunks=");
    const bool second = treated.arms.ends_with(",chunks=treatment");
    ASSERT_TRUE(first || treated.arms.starts_with("a-margin=control,chunks=")) << treated.arms;
    ASSERT_EQ(treated.changes.size(), first + second);
    ASSERT_TRUE(!second || treated.changes.back().chunk_tokens == 7);
    ++seen[first][second];
  }
  for (const auto& row : seen) {
    for (const uint64_t count : row) EXPECT_GT(count, 5u);
  }
  EXPECT_EQ(board_->Treat("acme", "").arms, "") << "no route";
  const auto requests = board_->List()[1].requests;
  EXPECT_EQ(requests[static_cast<size_t>(Arm::kTreatment)], seen[0][1] + seen[1][1]);
  EXPECT_EQ(requests[static_cast<size_t>(Arm::kControl)], seen[0][0] + seen[1][0]);
}

TEST_F(LeverBoardTest, OneThatHelpsGoesOn) {
  Open({Chunks()});
  Serve(100, 60);
  board_->Check();
  EXPECT_EQ(State().phase, LeverPhase::kRunning);
  const auto report = board_->Report("chunks");
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->finding.verdict, GuardVerdict::kHolds);
  EXPECT_EQ(report->finding.ratio, 0.6);
  const auto& computed = report->figures[static_cast<size_t>(LeverMetric::kComputedTokens)];
  EXPECT_EQ(computed[0].mean, 100);
  EXPECT_EQ(computed[1].mean, 60);
  EXPECT_EQ(computed[0].count + computed[1].count, 40u);
}

TEST_F(LeverBoardTest, OneThatHarmsIsRolledBackAndStaysSo) {
  Open({Chunks()});
  Serve(100, 160);
  log_.clear();
  board_->Check();
  EXPECT_EQ(State().phase, LeverPhase::kRolledBack);
  EXPECT_NE(State().why.find("160 over"), std::string::npos) << State().why;
  ASSERT_EQ(log_.size(), 1u) << "in one line";
  EXPECT_TRUE(log_[0].starts_with("lever \"chunks\" of Ann was rolled back: mean of")) << log_[0];
  EXPECT_EQ(board_->Treat("acme", "r1").arms, "");
  EXPECT_EQ(board_->List()[0].rollbacks, 1u);
  const std::string why = State().why;
  Open({Chunks()});
  EXPECT_EQ(State().phase, LeverPhase::kRolledBack) << "after a restart too";
  EXPECT_EQ(State().why, why);
  ASSERT_TRUE(board_->Set({}));
  ASSERT_TRUE(board_->Set({Chunks(0.9)}));
  EXPECT_EQ(State().phase, LeverPhase::kRolledBack) << "whatever the file says";
  const auto report = board_->Report("chunks");
  EXPECT_EQ(report->finding.verdict, GuardVerdict::kBroken) << "its figures stay";
  ASSERT_EQ(report->events.size(), 2u);
  EXPECT_EQ(report->events[0].what, "rolled_back");
  EXPECT_EQ(report->events[0].why, why);
  EXPECT_EQ(report->events[1].what, "running");
}

TEST_F(LeverBoardTest, AStartBeginsAnew) {
  Open({Chunks()});
  Serve(100, 160);
  board_->Check();
  NextMoment();
  ASSERT_EQ(board_->Start("chunks")->state.phase, LeverPhase::kRunning);
  board_->Check();
  EXPECT_EQ(State().phase, LeverPhase::kRunning) << "what was before does not count";
  EXPECT_EQ(board_->Report("chunks")->finding.verdict, GuardVerdict::kTooFew);
  Serve(100, 160);
  board_->Check();
  EXPECT_EQ(State().phase, LeverPhase::kRolledBack);
  EXPECT_EQ(board_->List()[0].rollbacks, 2u);
}

TEST_F(LeverBoardTest, AStopOutlivesTheServer) {
  Open({Chunks()});
  EXPECT_EQ(board_->Stop("chunks", "lunch")->state.why, "an operator has stopped it: lunch");
  EXPECT_EQ(board_->Stop("chunks", "again")->state.why, "an operator has stopped it: lunch");
  EXPECT_EQ(board_->Treat("acme", "r1").arms, "");
  Open({Chunks()});
  EXPECT_EQ(State().phase, LeverPhase::kStopped);
  const int64_t stopped = State().changed_ms;
  EXPECT_EQ(board_->Start("chunks")->state.phase, LeverPhase::kRunning);
  EXPECT_GE(State().since_ms, stopped);
  EXPECT_EQ(board_->Report("chunks")->events.size(), 3u);
  const Error unknown = board_->Start("chunk").error();
  EXPECT_EQ(unknown.code, ErrorCode::kNotFound);
  EXPECT_NE(unknown.message.find("there are chunks"), std::string::npos) << unknown.message;
  EXPECT_EQ(board_->Report("x").error().code, ErrorCode::kNotFound);
}

TEST_F(LeverBoardTest, AnotherChangeIsComparedAnew) {
  Open({Chunks()});
  Serve(100, 160);
  NextMoment();
  Lever other = Chunks();
  other.change.chunk_tokens = 8;
  ASSERT_TRUE(board_->Set({other}));
  board_->Check();
  EXPECT_EQ(State().phase, LeverPhase::kRunning);
  other.guardrail.trigger.ratio = 9;
  const int64_t since = State().since_ms;
  NextMoment();
  ASSERT_TRUE(board_->Set({other}));
  EXPECT_EQ(State().since_ms, since) << "the same is done to the same requests";
}

TEST_F(LeverBoardTest, FewRequestsSayNothing) {
  Lever lever = Chunks();
  lever.guardrail.trigger.at_least = 1000;
  Open({lever});
  Serve(100, 100'000);
  board_->Check();
  EXPECT_EQ(State().phase, LeverPhase::kRunning);
}

TEST_F(LeverBoardTest, WhatIsOlderThanTheWindowDoesNotCount) {
  Lever lever = Chunks();
  lever.guardrail.trigger.window_seconds = 2;
  Open({lever});
  Serve(100, 160);
  for (const int64_t then = NowMs(); NowMs() <= then + 2000;) std::this_thread::yield();
  Serve(100, 110);
  board_->Check();
  EXPECT_EQ(State().phase, LeverPhase::kRunning);
  EXPECT_EQ(board_->Report("chunks")->finding.ratio, 1.1);
  Serve(100, 160, 200);
  board_->Check();
  EXPECT_EQ(State().phase, LeverPhase::kRolledBack);
}

TEST_F(LeverBoardTest, WhatUsersSayIsSeenThoughNoRowComes) {
  Lever lever = Chunks();
  lever.guardrail.metric = LeverMetric::kScore;
  Open({lever});
  std::vector<std::string> arms;
  for (int i = 0; i < 40; ++i) {
    LedgerRow row;
    row.request_id = "req-" + std::to_string(i);
    row.tenant = "acme";
    row.started_ms = NowMs();
    row.arms = arms.emplace_back(board_->Treat("acme", "r" + std::to_string(i)).arms);
    ledger_->Add(std::move(row));
  }
  ledger_->Settle();
  board_->Check();
  for (int i = 0; i < 40; ++i) {
    const LedgerJudgement said{.label = arms[i] == "chunks=control" ? "good" : "bad"};
    ASSERT_TRUE(ledger_->Judge({.tenant = "acme", .request_id = "req-" + std::to_string(i)}, said));
  }
  EXPECT_EQ(State().phase, LeverPhase::kRunning);
  board_->Check();
  EXPECT_EQ(State().phase, LeverPhase::kRolledBack);
}

TEST_F(LeverBoardTest, WhereNobodySeesNothingIsApplied) {
  Open({Chunks()});
  for (const char* end : {"", "-wal", "-shm"}) {
    std::filesystem::remove(folder_ + "/ledger.db" + end);
  }
  std::filesystem::create_directory(folder_ + "/ledger.db");
  log_.clear();
  for (int i = 0; i < 12; ++i) {
    Serve(100, 160, 1);
    board_->Check();
  }
  EXPECT_TRUE(board_->is_blind());
  EXPECT_EQ(board_->Treat("acme", "r1").arms, "");
  EXPECT_EQ(log_.size(), 1u);
  std::filesystem::remove(folder_ + "/ledger.db");
  Serve(100, 160, 1);
  board_->Check();
  EXPECT_FALSE(board_->is_blind());
  EXPECT_NE(board_->Treat("acme", "r1").arms, "");
}

// A rollback that the disk does not take holds, and is written when it can be.
TEST_F(LeverBoardTest, ARollbackNeedsNoDisk) {
  Open({Chunks()});
  Serve(100, 160);
  {
    const auto holder = Database::Open(folder_ + "/levers.db", {});
    auto held = Transaction::Begin(*holder);  // nobody else can write
    ASSERT_TRUE(held);
    board_->Check();
    EXPECT_EQ(State().phase, LeverPhase::kRolledBack);
    EXPECT_FALSE(LeverStore::Open(folder_ + "/levers.db", kLockWait));
  }
  board_->Check();
  Open({Chunks()});
  EXPECT_EQ(State().phase, LeverPhase::kRolledBack);
}

TEST_F(LeverBoardTest, ARollbackThatIsNotWrittenYetIsNotForgottenWithItsLines) {
  Open({Chunks()});
  Serve(100, 160);
  {
    const auto holder = Database::Open(folder_ + "/levers.db", {});
    auto held = Transaction::Begin(*holder);
    ASSERT_TRUE(held);
    board_->Check();
    ASSERT_TRUE(board_->Set({Chunks()}));
    EXPECT_EQ(State().phase, LeverPhase::kRolledBack) << "read again";
    ASSERT_TRUE(board_->Set({}));
  }
  board_->Check();
  Open({Chunks()});
  EXPECT_EQ(State().phase, LeverPhase::kRolledBack);
}

TEST_F(LeverBoardTest, EventsAreBounded) {
  const auto store = LeverStore::Open(folder_ + "/levers.db");
  ASSERT_TRUE(store->get()->database().Execute("PRAGMA synchronous=OFF"));
  for (int64_t i = 0; i < LeverStore::kMostEvents + 5; ++i) {
    ASSERT_TRUE((*store)->Save("a", {LeverPhase::kStopped, 0, i, "why", ""}));
  }
  const auto events = (*store)->Events("a", 5000);
  ASSERT_EQ(events->size(), static_cast<size_t>(LeverStore::kMostEvents));
  EXPECT_EQ(events->front().at_ms, LeverStore::kMostEvents + 4);
}

TEST_F(LeverBoardTest, FilesOfOthersAreRefused) {
  {
    const auto other = Database::Open(folder_ + "/levers.db", {});
    ASSERT_TRUE(other->Execute("CREATE TABLE t (x INTEGER)"));
  }
  EXPECT_EQ(LeverStore::Open(folder_ + "/levers.db").error().code, ErrorCode::kCorrupt);
}

TEST_F(LeverBoardTest, ItChecksByItself) {
  auto board = LeverBoard::Open({.path = folder_ + "/levers.db",
                                 .key = "key",
                                 .ledger = ledger_,
                                 .check_every = std::chrono::milliseconds(5)},
                                {Chunks()});
  ASSERT_TRUE(board);
  board_ = *std::move(board);
  Serve(100, 160);
  while (State().phase == LeverPhase::kRunning) {
    std::this_thread::yield();
  }
  EXPECT_EQ(State().phase, LeverPhase::kRolledBack);
}

}  // namespace
}  // namespace quire
