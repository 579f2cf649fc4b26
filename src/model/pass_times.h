// model/pass_times.h -- where the time of forward passes went, by phase and summed over workers.
//
// Every moment of every worker between the begin and the end of a pass belongs to one phase, so
// the phases add up to workers * wall_ns, but for the clocks' grain. ForwardPass collects them
// while it is asked to (MeasureTimes): a reading of the clock per phase and worker, about a
// thousandth of a decode step of the smallest models; otherwise nothing is read.
//
// "Outside kernels" is kWait + kStart: waiting for other workers, and what the caller does alone
// (checking the batch, waking the team).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace quire {

enum class PassPhase : uint8_t {
  kStart,  // from the call until this worker runs
  kRows,   // embedding, residual, norm, quantise: what belongs to whole tokens
  kQkv,    // query, key, value, with rope and the store of keys and values
  kAttention,
  kOutput,  // of the attention
  kGateUp,  // with the activation and its quantisation
  kDown,
  kLogits,
  kWait,  // at barriers, and at the end for the last one
};
inline constexpr size_t kPassPhases = 9;

constexpr const char* PassPhaseName(PassPhase phase) {
  constexpr const char* kNames[kPassPhases] = {"start",   "rows", "qkv",    "attention", "output",
                                               "gate_up", "down", "logits", "wait"};
  return kNames[static_cast<size_t>(phase)];
}

struct PassTimes {
  uint64_t passes = 0;
  uint64_t rows = 0;      // tokens of all passes
  uint64_t barriers = 0;  // that a worker met, all passes, attention's own left out
  uint64_t wall_ns = 0;   // of all passes, from call to return
  std::array<uint64_t, kPassPhases> ns{};  // by PassPhase, summed over workers

  uint64_t of(PassPhase phase) const { return ns[static_cast<size_t>(phase)]; }
};

}  // namespace quire
