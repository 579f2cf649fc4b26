#include "apps/bench/machine_peaks.h"

#include <gtest/gtest.h>
#include <time.h>

#include <chrono>
#include <thread>
#include <vector>

#include "apps/bench/machine_facts.h"
#include "apps/bench/peak_loops.h"

namespace quire {
namespace {

TEST(PeakLoopsTest, EverySetRunsItsLoops) {
  for (const Isa isa : AvailableIsas()) {
    DotLoop(isa, 10);
    FmaLoop(isa, 10);
    EXPECT_EQ(DotOpsPerRound(isa) > 0, FmaOpsPerRound(isa) > 0) << IsaName(isa);
  }
}

TEST(PeakLoopsTest, ReadsExactlyWhatItIsGiven) {
  std::vector<std::byte> bytes(4096);
  ReadLoop(bytes.data(), bytes.size());  // the sanitizers' build reads no further: plain loads
  ReadLoop(bytes.data(), 0);
}

TEST(PeakMeterTest, RatesAreThoseOfAComputer) {
  WorkerPool pool(2);
  const auto meter = PeakMeter::Create(pool);
  ASSERT_TRUE(meter);
  const MachinePeaks peaks = (*meter)->Measure();
  for (const PeakRate& read : {peaks.read_huge, peaks.read_small}) {
    EXPECT_GT(read.one_core, 1e8);
    EXPECT_LT(read.one_core, 1e12);
    EXPECT_GT(read.all_cores, 1e8);
  }
  if (DotOpsPerRound((*meter)->isa()) > 0) {
    EXPECT_GT(peaks.dot.one_core, 1e9);
    EXPECT_GT(peaks.dot.one_core, peaks.fma.one_core);
  }
  EXPECT_GT(peaks.barrier_seconds, 0);
}

TEST(MachineFactsTest, ThisProcessHasMemoryAndASystem) {
  EXPECT_GT(PeakResidentBytes(), 1u << 20);
  EXPECT_TRUE(SystemName().starts_with("Linux")) << SystemName();
}

TEST(MachineFactsTest, OwnWorkIsNotThatOfOthers) {
  constexpr double kOwnSeconds = 1;
  const auto own_seconds = [] {
    timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  };
  const OtherWork others;
  const auto start = std::chrono::steady_clock::now();
  const double before = own_seconds();
  while (own_seconds() < before + kOwnSeconds) ReadLoop(nullptr, 0);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const double all = std::thread::hardware_concurrency() * took.count();
  EXPECT_LE(others.Seconds(), all - kOwnSeconds + 0.3);
}

}  // namespace
}  // namespace quire
