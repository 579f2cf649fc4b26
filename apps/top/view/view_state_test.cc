// What each key does, and does not.
#include "apps/top/view/view_state.h"

#include <gtest/gtest.h>

#include "apps/top/view/request_table.h"

namespace quire {
namespace {

class KeysTest : public testing::Test {
 protected:
  KeysTest() {
    for (const uint64_t id : {3, 7, 11}) {
      shown_.emplace_back();
      shown_.back().id = id;
    }
  }

  Action Press(Key::Kind kind) { return HandleKey({kind, {}}, shown_, view_); }
  Action Type(const std::string& text) {
    Action last = Action::kNone;
    for (const char c : text) last = HandleKey({Key::Kind::kText, {c}}, shown_, view_);
    return last;
  }

  std::vector<TopRequest> shown_;
  ViewState view_;
};

TEST_F(KeysTest, TheMarkMovesAndStopsAtTheEnds) {
  Type("j");
  EXPECT_EQ(view_.marked, 3u);
  Press(Key::Kind::kDown);
  EXPECT_EQ(view_.marked, 7u);
  Press(Key::Kind::kEnd);
  Type("jj");
  EXPECT_EQ(view_.marked, 11u);
  Press(Key::Kind::kHome);
  Type("k");
  EXPECT_EQ(view_.marked, 3u);
  Press(Key::Kind::kPageDown);
  EXPECT_EQ(view_.marked, 11u);
}

TEST_F(KeysTest, TheMarkStaysOnItsRequest) {
  Type("jj");
  shown_.erase(shown_.begin());
  Press(Key::Kind::kDown);
  EXPECT_EQ(view_.marked, 11u);
  shown_.clear();
  Press(Key::Kind::kDown);
  EXPECT_EQ(view_.marked, 11u);
}

TEST_F(KeysTest, OnlyYCancels) {
  EXPECT_EQ(Type("c"), Action::kNone);  // nothing is marked
  EXPECT_EQ(view_.mode, ViewState::Mode::kTable);
  Type("jc");
  EXPECT_EQ(view_.mode, ViewState::Mode::kAsk);
  EXPECT_EQ(Type("q"), Action::kNone);
  EXPECT_EQ(view_.mode, ViewState::Mode::kTable);
  Type("c");
  EXPECT_EQ(Press(Key::Kind::kEnter), Action::kNone);
  Type("c");
  EXPECT_EQ(Type("y"), Action::kCancel);
  EXPECT_EQ(view_.asked, 3u);
}

TEST_F(KeysTest, WhatIsAskedAboutStaysWhatItWas) {
  Type("jc");
  shown_.erase(shown_.begin());  // it ended meanwhile
  EXPECT_EQ(Type("y"), Action::kCancel);
  EXPECT_EQ(view_.asked, 3u);
}

TEST_F(KeysTest, AFilterIsTypedTakenAndDropped) {
  Type("/acq");
  EXPECT_EQ(view_.draft_filter, "acq");
  EXPECT_EQ(view_.filter, "");
  HandleKey({Key::Kind::kText, "é"}, shown_, view_);
  HandleKey({Key::Kind::kText, "\x1b"}, shown_, view_);
  EXPECT_EQ(view_.draft_filter, "acqé\uFFFD");
  Press(Key::Kind::kBackspace);
  Press(Key::Kind::kBackspace);
  Press(Key::Kind::kBackspace);
  Press(Key::Kind::kEnter);
  EXPECT_EQ(view_.filter, "ac");
  Type("/x");
  Press(Key::Kind::kEscape);
  EXPECT_EQ(view_.filter, "ac");
  Press(Key::Kind::kEscape);
  EXPECT_EQ(view_.filter, "");
  Type("/" + std::string(1000, 'x'));
  EXPECT_LE(view_.draft_filter.size(), 128u);
}

TEST_F(KeysTest, SortingGoesRound) {
  for (size_t i = 0; i < RequestColumns().size(); ++i) Type("s");
  EXPECT_EQ(view_.sort_column, 0u);
  Type("sr");
  EXPECT_EQ(view_.sort_column, 1u);
  EXPECT_TRUE(view_.reversed);
}

TEST_F(KeysTest, HelpPauseAndLeaving) {
  Type("?");
  EXPECT_EQ(view_.mode, ViewState::Mode::kHelp);
  Type("x ");
  EXPECT_EQ(view_.mode, ViewState::Mode::kTable);
  EXPECT_TRUE(view_.paused);
  EXPECT_EQ(Type("q"), Action::kQuit);
}

}  // namespace
}  // namespace quire
