#include "sched/prefill_turns.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>

namespace quire {
namespace {

constexpr OwnerId kOther{1};

class PrefillTurnsTest : public testing::Test {
 protected:
  PrefillTurnsTest() {
    share_.AddOwner(1);
    share_.Enter(kFirstOwner);
    share_.Enter(kOther);
    turns_.Reserve(64);
  }

  Sequence& Add(uint32_t to_go, TickMs arrival, OwnerId owner = kFirstOwner, uint32_t done = 0) {
    auto sequence = std::make_unique<Sequence>();
    sequence->id = SequenceId{all_.size() + 1};
    sequence->table = BlockTable(owner);
    sequence->arrival = arrival;
    sequence->tokens.resize(done + to_go);
    sequence->num_prompt = done + to_go;
    sequence->num_computed = done;
    sequence->first_logit_row = done + to_go - 1;
    running_.push_back(sequence.get());
    all_.push_back(std::move(sequence));
    return *all_.back();
  }

  // Tokens given, by sequence.
  std::map<SequenceId, uint32_t> Divide(const StepRoom& room, uint32_t rows = 512) {
    std::map<SequenceId, uint32_t> given;
    for (const auto& chunk :
         turns_.Divide(running_, share_, room, {.rows = rows, .logit_rows = 64, .chunk = 512})) {
      given[chunk.sequence->id] = chunk.num_tokens;
    }
    return given;
  }

  FairShare share_;
  PrefillTurns turns_;
  std::vector<std::unique_ptr<Sequence>> all_;
  std::vector<Sequence*> running_;
};

TEST_F(PrefillTurnsTest, AloneItGetsAllThereIs) {
  const Sequence& one = Add(5000, 0);
  EXPECT_EQ(Divide(130)[one.id], 130u);
  EXPECT_EQ(Divide({})[one.id], 512u);
  EXPECT_EQ(Divide({}, 100)[one.id], 100u);
  EXPECT_EQ(Divide(0)[one.id], 1u) << "progress";
}

TEST_F(PrefillTurnsTest, OneMayTakeLessThanThereIs) {
  Sequence& one = Add(5000, 0);
  Sequence& two = Add(600, 1000);
  one.handling.chunk_tokens = 16;
  two.handling.chunk_tokens = 1000;
  const auto given = Divide(StepRoom(), 600);
  EXPECT_EQ(given.at(one.id), 16u);
  EXPECT_EQ(given.at(two.id), 512u) << "no more than others";
}

TEST_F(PrefillTurnsTest, DecodesTakeNoPart) {
  Add(1, 0);
  EXPECT_TRUE(Divide(100).empty());
}

TEST_F(PrefillTurnsTest, ShortWorkIsFirst) {
  const Sequence& one = Add(5000, 0);
  const Sequence& two = Add(30, 1000);
  EXPECT_EQ(Divide(100).at(two.id), 30u);
  const auto given = Divide(100);
  EXPECT_EQ(given.at(two.id), 30u);
  EXPECT_EQ(given.at(one.id), 70u);
}

TEST_F(PrefillTurnsTest, ALongOneThatHasWaitedHasHalf) {
  const Sequence& one = Add(5000, 0);
  const Sequence& two = Add(300, 10'000);
  auto given = Divide(100);
  EXPECT_EQ(given.at(one.id), 50u);
  EXPECT_EQ(given.at(two.id), 50u);
  const Sequence& three = Add(20, 10'001);
  EXPECT_EQ(Divide(100).at(three.id), 20u);
  given = Divide(100);
  EXPECT_EQ(given.at(one.id), 50u) << "whoever comes";
  EXPECT_EQ(given.at(three.id), 20u);
  EXPECT_EQ(given.at(two.id), 30u);
}

TEST_F(PrefillTurnsTest, WhatDeepTokensCostIsCounted) {
  StepRoom room(100);
  room.position_tokens = 1e-4;
  const Sequence& deep = Add(2000, 0, kFirstOwner, 30'000);
  EXPECT_NEAR(Divide(room)[deep.id], 25, 1);
}

TEST_F(PrefillTurnsTest, BesideAFirstTokenTheOthersWaitButNotTwice) {
  StepRoom room(200);
  const Sequence& one = Add(5000, 0);
  EXPECT_EQ(Divide(room)[one.id], 200u);
  const Sequence& two = Add(30, 1000);
  auto given = Divide(room);
  EXPECT_EQ(given.at(two.id), 30u);
  EXPECT_EQ(given.count(one.id), 0u);
  given = Divide(room);
  EXPECT_EQ(given.at(two.id), 30u);
  EXPECT_EQ(given.at(one.id), 170u);
  const Sequence& three = Add(40, 1000);
  EXPECT_EQ(Divide(room).at(three.id), 40u) << "ends too";
}

TEST_F(PrefillTurnsTest, TheOwnerBehindIsFirstAndTheOtherIsNotStopped) {
  const Sequence& theirs = Add(5000, 0);
  const Sequence& own = Add(80, 5, kOther);
  share_.Charge(kFirstOwner, 100);
  EXPECT_EQ(Divide(100).at(own.id), 80u);
  auto given = Divide(100);
  EXPECT_EQ(given.at(own.id), 80u);
  EXPECT_EQ(given.at(theirs.id), 20u);
  share_.Charge(kOther, 300);
  given = Divide(100);
  EXPECT_EQ(given.at(theirs.id), 100u);
  EXPECT_FALSE(given.contains(own.id));
}

TEST_F(PrefillTurnsTest, RowsOfLogitsBoundThoseThatWantThem) {
  Sequence& one = Add(5000, 0);
  one.first_logit_row = 0;
  EXPECT_EQ(Divide({})[one.id], 64u);
}

// From the time its rank says on, short work may not hold up a long one by more than a factor 4.
TEST_F(PrefillTurnsTest, NobodyStarves) {
  Sequence& one = Add(3000, 0);
  TickMs now = 0;
  for (int step = 0; one.num_to_go() > 0; ++step) {
    ASSERT_LT(now, 4 * 3000 + 3000 + 100) << one.num_to_go() << " to go";
    now += 100;
    Add(100, now);  // as much short work as there is room, always
    for (const auto& chunk : turns_.Divide(running_, share_, 100, {512, 64, 512})) {
      chunk.sequence->num_computed += chunk.num_tokens;
    }
    std::erase_if(running_, [](const Sequence* s) { return s->num_to_go() == 0; });
  }
}

}  // namespace
}  // namespace quire
