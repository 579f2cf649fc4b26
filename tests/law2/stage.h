// tests/law2/stage.h -- runs one request under chosen conditions, and proves that they held.
//
// The step loop is driven by hand, so that a seed replays everything: who arrives at which step,
// what is evicted, who is preempted. Only the number of threads and the clock are the machine's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "kernels/dispatch.h"
#include "tests/law2/subject.h"

namespace quire::test {

enum class Memory {
  kCold,           // nothing was seen before
  kWarm,           // the same prompt was read before
  kPartlyEvicted,  // and then a part of it was evicted
  kDisk,           // or by a process that is gone, which left it on disk
  kPlainDisk,      // likewise, not encrypted
  kBrought         // or by another engine, which sent it
};

struct Conditions {
  Isa isa = AvailableIsas().back();
  uint32_t threads = 1;
  uint32_t chunk = 64;  // tokens of one sequence in one step
  uint32_t others = 0;  // requests that arrive at random
  Memory memory = Memory::kCold;
  bool preempt = false;  // an older request takes our blocks while we answer
  bool paced = false;    // steps are bounded by the clock, as in a server
  bool left = false;     // every second step is left at some layer, as for a newcomer
  bool sampled = false;  // drawn at a temperature, with penalties; else the likeliest token
  uint32_t choices = 1;
  bool strangers = false;  // half of the others are of another scope, with our prompt among theirs
  uint32_t seed = 1;
};

std::string Describe(const Conditions& conditions);

struct Outcome {
  std::string hash;             // of all choices, one after the other
  std::vector<TokenId> tokens;  // of choice 0
  Receipt receipt;
  EngineStats stats;
  uint32_t largest_chunk = 0;  // tokens of one sequence in one step
};

inline constexpr uint32_t kAnswerTokens = 24;

// `prompt` needs 9 blocks or more where memory is evicted or preempted. Fails the test (EXPECT) if
// a condition could not be brought about.
Outcome Run(const Subject& subject, const std::vector<TokenId>& prompt,
            const Conditions& conditions);

}  // namespace quire::test
