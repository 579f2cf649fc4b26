#include "apps/chat/interrupt.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <csignal>
#include <thread>

namespace quire {
namespace {

bool IsReadable(int fd) {
  pollfd polled{fd, POLLIN, 0};
  return ::poll(&polled, 1, 0) == 1;
}

TEST(InterruptWatch, RemembersAPressUntilItIsForgotten) {
  InterruptWatch watch;
  EXPECT_FALSE(watch.interrupted());
  ASSERT_EQ(std::raise(SIGINT), 0);
  ASSERT_EQ(std::raise(SIGINT), 0);
  EXPECT_TRUE(watch.interrupted());
  EXPECT_TRUE(watch.interrupted()) << "asking changes nothing";
  EXPECT_TRUE(IsReadable(watch.fd()));
  watch.Clear();
  EXPECT_FALSE(watch.interrupted());
  EXPECT_FALSE(IsReadable(watch.fd()));
  ASSERT_EQ(std::raise(SIGINT), 0);
  const InterruptWatch inner;
  EXPECT_FALSE(watch.interrupted()) << "they share what they remember";
}

// A press that comes while an earlier one is being forgotten is either forgotten or told by both.
TEST(InterruptWatch, WhatIsToldAndWhatWakesNeverDiffer) {
  InterruptWatch watch;
  std::atomic<int> round = 0;
  constexpr int kRounds = 2'000;
  std::thread presser([&round] {
    for (int i = 1; i <= kRounds; ++i) {
      while (round.load() < 2 * i - 1) {
        std::this_thread::yield();
      }
      std::raise(SIGINT);
      round.store(2 * i);
    }
  });
  int told = 0;
  int differ = 0;
  for (int i = 1; i <= kRounds; ++i) {
    round.store(2 * i - 1);
    watch.Clear();
    while (round.load() < 2 * i) {
      std::this_thread::yield();
    }
    told += watch.interrupted();
    differ += watch.interrupted() != IsReadable(watch.fd());
  }
  presser.join();
  EXPECT_EQ(differ, 0);
  EXPECT_GT(told, 0);
}

}  // namespace
}  // namespace quire
