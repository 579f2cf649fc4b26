// server/trace/request_trace.h -- one request as spans: itself, and below it where its time went.
//
//   chat/completions
//     queue  onboard*  prefill ( chunk* preempted* )  decode ( chunk* preempted* )
//
// What the waterfall of its ledger row shows, as it lay in time. Of a request with several prompts
// the first kMostTimelines have their own pieces each. Nothing of a prompt or an answer is in a
// span: only what the ledger has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/event.h"
#include "ledger/ledger_row.h"
#include "server/trace/span.h"
#include "server/trace/trace_context.h"

namespace quire {

struct RequestTrace {
  static constexpr size_t kMostTimelines = 8;

  TraceContext context;
  LedgerRow row;
  std::vector<Receipt> receipts;  // those with a timeline are told
  double began_seconds = 0;       // SteadySeconds()
  double ended_seconds = 0;
  int64_t began_ns = 0;  // the same moment as began_seconds, since 1970

  size_t bytes() const;  // of memory, at most
};

// The request's own comes first; each lies within that one, and has a parent among them.
std::vector<Span> SpansOf(const RequestTrace& trace);

}  // namespace quire
