#include "base/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cfloat>
#include <thread>
#include <vector>

#include "base/cores.h"

namespace quire {
namespace {

TEST(WorkerPool, EveryWorkerRunsOncePerRun) {
  for (uint32_t count : {1u, 2u, 3u, 7u}) {
    WorkerPool pool(count);
    std::vector<std::atomic<int>> calls(count);
    for (int run = 0; run < 200; ++run) {
      pool.Run([&](const Worker& w) { calls[w.index()].fetch_add(1); });
    }
    for (auto& c : calls) EXPECT_EQ(c.load(), 200);
  }
}

TEST(WorkerPool, BarrierPublishesWhatWasWrittenBeforeIt) {
  for (uint32_t count : {2u, 3u, 5u}) {
    WorkerPool pool(count);
    std::vector<uint32_t> value(count, 0);
    std::atomic<int> wrong{0};
    pool.Run([&](const Worker& w) {
      for (uint32_t round = 1; round <= 2000; ++round) {
        value[w.index()] = round;
        w.Barrier();
        for (uint32_t v : value) wrong += v != round;
        w.Barrier();
      }
    });
    EXPECT_EQ(wrong.load(), 0);
  }
}

TEST(WorkerPool, SharesAreDisjointAndComplete) {
  for (uint32_t count : {1u, 2u, 3u, 8u}) {
    WorkerPool pool(count);
    for (uint32_t total : {0u, 1u, 15u, 16u, 17u, 1000u}) {
      for (uint32_t grain : {1u, 16u, 48u}) {
        std::vector<std::atomic<int>> hits(total);
        pool.Run([&](const Worker& w) {
          const auto range = w.Share(total, grain);
          for (uint32_t i = range.begin; i < range.end; ++i) hits[i].fetch_add(1);
        });
        for (auto& h : hits) EXPECT_EQ(h.load(), 1);
      }
    }
  }
}

TEST(WorkerPool, DenormalsAreZeroInsideAndUntouchedOutside) {
  WorkerPool pool(3);
  std::vector<float> inside(3, 1.0f);
  volatile float tiny = FLT_MIN;
  pool.Run([&](const Worker& w) { inside[w.index()] = tiny * 0.25f; });
  for (float v : inside) EXPECT_EQ(v, 0.0f);
  EXPECT_GT(tiny * 0.25f, 0.0f);
}

TEST(WorkerPool, PinnedWorkersStayOnTheirCores) {
  const std::vector<uint32_t> cores = AllowedCores();
  const auto count = static_cast<uint32_t>(cores.size());
  std::vector<std::vector<uint32_t>> seen(count);
  std::thread([&] {
    WorkerPool pool(count, cores);
    pool.PinCaller();
    pool.Run([&](const Worker& w) { seen[w.index()] = AllowedCores(); });
  }).join();
  for (uint32_t i = 0; i < count; ++i) EXPECT_EQ(seen[i], std::vector<uint32_t>{cores[i]});
}

TEST(WorkerPool, NobodyIsPinnedUnasked) {
  const std::vector<uint32_t> cores = AllowedCores();
  WorkerPool pool(3);
  pool.PinCaller();
  std::vector<std::vector<uint32_t>> seen(3);
  pool.Run([&](const Worker& w) { seen[w.index()] = AllowedCores(); });
  for (const auto& mask : seen) EXPECT_EQ(mask, cores);
}

}  // namespace
}  // namespace quire
