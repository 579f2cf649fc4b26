// lever/lever.h -- a change that is tried on a share of the traffic, as levers.toml states it.
//
//   all requests that it concerns
//     share      -> treatment   the change is applied
//     the rest   -> control     served as ever
//
// A lever never changes an answer: what would (the KV format, a window) is none (levers_file.h).
//
// Threads  plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lever/lever_metric.h"

namespace quire {

enum class LeverKind : uint8_t { kChunkTokens, kOffload, kEviction, kAdmissionMargin };
std::string_view LeverKindName(LeverKind kind);  // "chunk_tokens"

// What is done otherwise; of the fields only those of `kind` count.
struct LeverChange {
  LeverKind kind = LeverKind::kChunkTokens;
  uint32_t chunk_tokens = 0;    // of a prompt in one step at most
  bool offload = true;          // what is left behind may go to the disk
  double admission_margin = 0;  // of the KV an answer may need, what must be free at its start
  // Of eviction: what is left behind is the last of its tenant's to go, for so long; or, if it is
  // not stored, goes at once.
  uint32_t keep_seconds = 0;
  bool store = true;

  std::string Describe() const;  // "chunk_tokens = 16"
};

// What a request has that decides its arm.
enum class LeverUnit : uint8_t { kTenant, kRoute };
std::string_view LeverUnitName(LeverUnit unit);  // "tenant"

// When the treatment is worse than the control by more than this, it ends by itself.
struct RollbackTrigger {
  double ratio = 0;        // so many times worse
  double slack = 0;        // and, beyond that, by so much in the metric's own unit
  uint32_t at_least = 30;  // requests that count, in each arm, before anything is said
  uint32_t window_seconds = 3600;
};

struct Guardrail {
  LeverMetric metric = LeverMetric::kFirstTokenMs;
  LeverStatistic statistic = LeverStatistic::kMean;
  RollbackTrigger trigger;

  std::string Describe() const;  // "mean of computed_tokens at most 1.2 times the control's"
};

struct Lever {
  std::string name;
  std::string owner;     // who answers for it
  std::string relieves;  // the pressure that it is meant to relieve
  std::string creates;   // and the one that it creates
  LeverChange change;
  double share = 0;  // of its units that are in the treatment: 0 to 1
  LeverUnit by = LeverUnit::kTenant;
  std::vector<std::string> tenants;  // that it concerns; empty: all
  std::vector<std::string> routes;   // likewise
  Guardrail guardrail;

  // A request without a route is in no arm of a lever by route.
  bool Concerns(std::string_view tenant, std::string_view route) const;
  // Of what decides who is in which arm and what is done there: figures of another one cannot be
  // compared with its own.
  std::string Digest() const;
};

}  // namespace quire
