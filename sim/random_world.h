// sim/random_world.h -- a server with random tenants, requests and faults, all from one seed.
//
// Owners have random guarantees, limits and weights. They send prompts that begin alike, go on with
// answers they got, ask for several choices, keep and pin blocks, change their minds and go away;
// forward passes fail; quotas change. After each step it is checked that
//
//   W1  every request ends exactly once
//   W2  what is held adds up, nothing is used beyond a limit (but where that was lowered), and all
//       invariants of the parts hold
//   W3  what an owner was guaranteed is not taken while it does nothing
//   W4  of one owner nobody is passed by who arrived more ms later than it has tokens to compute
//
// and when no more is asked, that all work ends and every block is free, idle or pinned.
//
// Errors   a broken rule aborts.
#pragma once

#include <cstdint>
#include <random>
#include <unordered_set>
#include <vector>

#include "plan/virtual_server.h"

namespace quire {

struct WorldCounts {
  uint64_t steps = 0;
  uint64_t requests = 0;
  uint64_t refused = 0;
  uint64_t done = 0;
  uint64_t cancelled = 0;
  uint64_t never_fitted = 0;
  uint64_t preemptions = 0;
  uint64_t cached_tokens = 0;
  uint64_t evictions = 0;
  uint64_t pins = 0;
  uint64_t failed_steps = 0;
  uint64_t awaited = 0;  // times that somebody waited for a prefix in work
  void Add(const WorldCounts& other);
};

class RandomWorld {
 public:
  explicit RandomWorld(uint64_t seed);

  // `steps` steps with new work and faults, then until all is done.
  WorldCounts Run(uint32_t steps);

 private:
  static VirtualServerOptions RandomOptions(std::mt19937_64& random);
  uint64_t Below(uint64_t limit) { return random_() % limit; }
  bool OneIn(uint64_t times) { return Below(times) == 0; }

  void AddOwners();
  void SubmitOne();
  std::vector<TokenId> RandomPrompt(OwnerId owner);
  void CancelOne();
  void PinOne();
  void UnpinOne();
  void ChangeQuota();
  Quota RandomQuota();
  bool StepAndCheck(bool fails);
  void NoteEnd(const ServedRequest& served);
  void CheckGuarantees(const std::vector<uint32_t>& used_before);
  void CheckTurns();
  void CheckLimits();
  void Drain();

  struct Owner {
    Scope scope;
    std::vector<std::vector<TokenId>> texts;  // to go on with
    uint32_t open = 0;
    bool limit_lowered = false;
  };
  struct Asked {
    SequenceId id;
    OwnerId owner;
    double arrival_ms;
    uint32_t prompt_tokens;
    bool started = false;
  };

  std::mt19937_64 random_;
  VirtualServer server_;
  WorldCounts counts_;
  std::vector<Owner> owners_;
  std::vector<Asked> open_;  // requests' sequences that have not ended
  std::unordered_set<uint64_t> ended_;
  std::vector<PinId> pins_;
};

}  // namespace quire
