// The scheduler in a world at random, with far too little memory.
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/sched/scheduler_harness.h"

namespace quire {
namespace {

// Requests of several owners come, are cancelled and finish at random, with far too little memory.
// Every request ends exactly once, with the tokens it would have had alone, and no block leaks.
class Simulation {
 public:
  Simulation(uint32_t blocks, const StepBudget& budget)
      : harness_(blocks, budget), max_tokens_(blocks * kTokensPerBlock / 2) {
    harness_.AddOwner({.guaranteed_blocks = blocks / 4, .pinned_blocks = blocks / 4},
                      {.weight = 2});
    harness_.AddOwner({.limit_blocks = 2 * blocks / 3, .pinned_blocks = blocks / 3},
                      {.weight = 0.5, .max_running = 2});
    harness_.scheduler.OnAdmit([this](const Sequence& sequence, uint32_t) {
      const bool fetches = random_() % 8 == 0;
      if (fetches) fetching_.insert(sequence.id);
      return fetches;
    });
  }

  // What happens in a step is a function of its code, so that steps can be left out.
  void Step(uint32_t code) {
    random_.seed(code);
    harness_.now += random_() % 50;
    harness_.await_ms = random_() % 3 == 0 ? random_() % 2000 : 0;
    if (random_() % 4 == 0) Submit();
    if (random_() % 40 == 0 && !open_.empty()) CancelOne();
    if (random_() % 4 == 0) EndFetches();
    if (random_() % 32 == 0) harness_.scheduler.Unpin(1 + random_() % 3);
    if (random_() % 64 == 0 && !open_.empty()) harness_.scheduler.DropPin(OneOpen()->first);
    std::map<SequenceId, uint32_t> before;
    for (const auto& [id, open] : open_) {
      if (IsRunning(id)) before[id] = Preemptions(id);
    }
    shared_steps_ += harness_.Step(1 + random_() % 40) && harness_.sequences_in_step > 1;
    harness_.scheduler.CheckInvariants();
    harness_.cache.CheckInvariants();
    RefuseUnfit();
    Settle();
    pinned_steps_ += harness_.cache.pool().num_pinned() > 0;
    for (const auto& [id, preemptions] : before) {
      if (!open_.contains(id) || Preemptions(id) == preemptions) continue;
      const OwnerId owner = harness_.scheduler.Get(id).owner();
      bool was_oldest = true;
      for (const auto& [other, unchanged] : before) {
        if (!open_.contains(other) || harness_.scheduler.Get(other).owner() != owner) continue;
        was_oldest = was_oldest && other >= id;
        ASSERT_FALSE(other > id && Preemptions(other) == unchanged)
            << "S3: preempted while a younger one runs";
      }
      preempted_across_ += was_oldest;
    }
  }

  void Finish() {
    do {
      EndFetches();
      if (const auto unpin = harness_.scheduler.next_unpin()) {
        harness_.now = std::max(harness_.now, *unpin);
        harness_.scheduler.Pass(harness_.now);
      }
      do {
        RefuseUnfit();
        harness_.RunAll();
      } while (!harness_.scheduler.never_fits().empty());
    } while (harness_.scheduler.num_fetching() > 0 || harness_.scheduler.next_unpin());
    Settle();
    EXPECT_TRUE(open_.empty()) << "a request never ended";
    EXPECT_EQ(harness_.cache.pool().num_live(), 0u) << "a block leaked";
    EXPECT_EQ(harness_.cache.pool().num_pinned(), 0u) << "a pin never ended";
  }

  uint64_t preempted_across() const { return preempted_across_; }
  uint64_t preemptions() const { return harness_.scheduler.num_preemptions(); }
  uint64_t shared_steps() const { return shared_steps_; }
  uint64_t preempted_before_first() const { return harness_.preempted_before_first; }
  uint64_t ended() const { return num_ended_; }
  uint64_t fetched() const { return fetched_; }
  uint64_t refused() const { return refused_; }
  uint64_t pinned_steps() const { return pinned_steps_; }

 private:
  struct Open {
    std::vector<TokenId> prompt;
    uint32_t max_tokens;
  };

  void Submit() {
    SequenceSpec spec =
        SpecOf(OwnerId{static_cast<uint32_t>(random_() % 3)},
               Prompt(1 + random_() % max_tokens_, random_() % 8), random_() % max_tokens_);
    spec.choices = 1 + (random_() % 4 == 0) * 2;
    spec.arrival = harness_.now;
    spec.keep_ms = random_() % 4 == 0 ? random_() % 1000 : 0;
    spec.pin_ms = random_() % 8 == 0 ? random_() % 1000 : 0;
    spec.pin_group = 1 + random_() % 3;
    spec.lookup = random_() % 8 != 0;
    spec.store = random_() % 8 != 0;
    spec.all_rows = random_() % 8 == 0;
    spec.handling.chunk_tokens = random_() % 4 == 0 ? 1 + random_() % 8 : 0;
    spec.handling.admission_margin =
        random_() % 16 == 0 ? static_cast<double>(random_() % 20) / 10 : 0;
    const Open open{spec.prompt, spec.max_tokens};
    const uint32_t choices = spec.choices;
    const auto id = harness_.scheduler.Submit(std::move(spec));
    if (!id) return;
    for (uint32_t i = 0; i < choices; ++i) open_[SequenceId{static_cast<uint64_t>(*id) + i}] = open;
  }

  void CancelOne() {
    const auto victim = OneOpen();
    harness_.scheduler.Cancel(victim->first);
    open_.erase(victim);
  }

  // What is pinned, or was, leaves no room for them.
  void RefuseUnfit() {
    const std::span<const SequenceId> unfit = harness_.scheduler.never_fits();
    for (const SequenceId id : std::vector(unfit.begin(), unfit.end())) {
      if (open_.erase(id) == 0) continue;  // another choice of it was refused
      harness_.scheduler.Cancel(id);
      ++refused_;
    }
  }

  std::map<SequenceId, Open>::iterator OneOpen() {
    return std::next(open_.begin(), static_cast<ptrdiff_t>(random_() % open_.size()));
  }

  // Also of those that were cancelled meanwhile.
  void EndFetches() {
    fetched_ += fetching_.size();
    for (const SequenceId id : std::exchange(fetching_, {})) harness_.scheduler.Fetched(id);
  }

  // Takes what ended off the list of open sequences.
  void Settle() {
    for (const auto& [id, tokens] : harness_.ended) {
      const auto open = open_.find(id);
      ASSERT_NE(open, open_.end()) << "ended after its cancel";
      if (open->second.max_tokens > 0) {
        ASSERT_EQ(tokens, Continue(open->second.prompt, open->second.max_tokens));
      }
      open_.erase(open);
      ++num_ended_;
    }
    harness_.ended.clear();
  }

  bool IsRunning(SequenceId id) const {
    return harness_.scheduler.Get(id).state == SequenceState::kRunning;
  }
  uint32_t Preemptions(SequenceId id) const {
    return harness_.scheduler.Get(id).counts.preemptions;
  }

  Harness harness_;
  const uint32_t max_tokens_;
  std::minstd_rand random_;
  std::map<SequenceId, Open> open_;
  std::set<SequenceId> fetching_;
  uint64_t fetched_ = 0;
  uint64_t refused_ = 0;
  uint64_t pinned_steps_ = 0;
  uint64_t shared_steps_ = 0;
  uint64_t num_ended_ = 0;
  uint64_t preempted_across_ = 0;
};

struct SimulationTotals {
  uint64_t steps = 0;
  uint64_t ended = 0;
  uint64_t preemptions = 0;
  uint64_t preempted_before_first = 0;
  uint64_t preempted_across = 0;
  uint64_t shared_steps = 0;
  uint64_t fetched = 0;
  uint64_t refused = 0;
  uint64_t pinned_steps = 0;
};

// Returns what went wrong first; empty if nothing did. What an expectation finds is kept from the
// test, which would else have failed for good while its steps are being shrunk.
std::string Simulate(uint32_t kind, const std::vector<uint32_t>& codes, SimulationTotals& totals) {
  const StepBudget budgets[] = {
      {.step_tokens = 32, .step_sequences = 6, .step_logit_rows = 6, .prefill_chunk = 16},
      {.step_tokens = 4, .step_sequences = 4, .step_logit_rows = 4, .prefill_chunk = 3},
      {.step_tokens = 64, .step_sequences = 8, .step_logit_rows = 16, .prefill_chunk = 64},
      {.step_tokens = 1, .step_sequences = 1, .step_logit_rows = 1, .prefill_chunk = 1},
  };
  testing::TestPartResultArray failures;
  const testing::ScopedFakeTestPartResultReporter reporter(
      testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
  Simulation simulation(12 + 4 * kind, budgets[kind]);
  for (const uint32_t code : codes) {
    simulation.Step(code);
    if (failures.size() > 0) return failures.GetTestPartResult(0).message();
  }
  simulation.Finish();
  if (failures.size() > 0) return failures.GetTestPartResult(0).message();
  totals.steps += codes.size();
  totals.ended += simulation.ended();
  totals.preemptions += simulation.preemptions();
  totals.preempted_before_first += simulation.preempted_before_first();
  totals.preempted_across += simulation.preempted_across();
  totals.shared_steps += simulation.shared_steps();
  totals.fetched += simulation.fetched();
  totals.refused += simulation.refused();
  totals.pinned_steps += simulation.pinned_steps();
  return "";
}

// A million steps: 1000 lists of 1000 on average. Longer ones would take longer to shrink.
TEST(Scheduler, SurvivesARandomWorldWithTooLittleMemory) {
  setenv("RC_PARAMS", "seed=1 max_success=1000", 0);
  SimulationTotals totals;
  EXPECT_TRUE(rc::check([&] {
    const uint32_t kind = *rc::gen::inRange(0u, 4u);
    const auto codes = *rc::gen::resize(
        2000, rc::gen::container<std::vector<uint32_t>>(rc::gen::inRange(1u, 1u << 30)));
    const std::string wrong = Simulate(kind, codes, totals);
    if (!wrong.empty()) RC_FAIL(wrong);
  }));
  EXPECT_GT(totals.steps, 900'000u);
  EXPECT_GT(totals.ended, 20'000u);
  EXPECT_GT(totals.preemptions, 5'000u);
  EXPECT_GT(totals.preempted_before_first, 5u);
  EXPECT_GT(totals.preempted_across, 100u);
  EXPECT_GT(totals.shared_steps, 100'000u);
  EXPECT_GT(totals.fetched, 1'000u);
  EXPECT_GT(totals.pinned_steps, 50'000u);
  EXPECT_GT(totals.refused, 100u);
}

}  // namespace
}  // namespace quire
