#include "server/http/wake_up.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <latch>
#include <thread>

namespace quire {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

// Sleeps until `counter` reaches `target`; counts the times it woke.
asio::awaitable<void> WaitUntil(std::unique_ptr<WakeUp> wake, std::atomic<int>& counter, int target,
                                int& woken, std::latch& first) {
  while (counter < target) {
    co_await wake->Wait(10s);
    if (++woken == 1) first.count_down();
  }
}

TEST(WakeUp, WakesFromAnotherThreadAndOutlivesItsSleeper) {
  asio::io_context io;
  auto wake = std::make_unique<WakeUp>(io.get_executor());
  const auto remote = wake->Remote();
  std::atomic<int> counter{0};
  int woken = 0;
  constexpr int kTimes = 20'000;
  std::latch first(1);
  asio::co_spawn(io, WaitUntil(std::move(wake), counter, kTimes, woken, first), asio::detached);
  std::thread other([&] {
    ++counter;
    remote();
    first.wait();  // or all might be told before anybody sleeps
    for (int i = 1; i < kTimes; ++i) {
      ++counter;
      remote();
    }
    for (int i = 0; i < 1000; ++i) remote();  // the sleeper may be gone by now
  });
  const auto begin = std::chrono::steady_clock::now();
  io.run();
  other.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 8s);
  EXPECT_GE(woken, 1);
  EXPECT_LE(woken, kTimes);
  remote();
}

TEST(WakeUp, KeepsANotificationForTheNextWait) {
  asio::io_context io;
  auto wake = std::make_unique<WakeUp>(io.get_executor());
  wake->Notify();
  int woken = 0;
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        co_await wake->Wait(10s);  // returns at once
        ++woken;
        co_await wake->Wait(20ms);  // nothing more: the time runs out
        ++woken;
      },
      asio::detached);
  const auto begin = std::chrono::steady_clock::now();
  io.run();
  const auto taken = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(woken, 2);
  EXPECT_GE(taken, 20ms);
  EXPECT_LT(taken, 5s);
}

}  // namespace
}  // namespace quire
