// server/ledger/ledger_entry.h -- the row of one request, and its trace, while they come about.
//
// The server and the engine hold it together: a client may leave while the engine still works on
// what it asked for. Whoever lets go of it last hands the row to the ledger, and the trace to its
// sender.
//
// Threads  any. Errors  none.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/event.h"
#include "engine/request.h"
#include "ledger/ledger.h"
#include "lever/lever_board.h"
#include "server/trace/trace_sender.h"

namespace quire {

class LedgerEntry : public std::enable_shared_from_this<LedgerEntry> {
 public:
  // Where it is told when it is over, and what is tried on it; each may be null. `context`: if it
  // is traced.
  struct Books {
    std::shared_ptr<Ledger> ledger;
    std::shared_ptr<LeverBoard> levers;
    std::shared_ptr<TraceSender> traces;
    TraceContext context = {};
  };
  // `row`: what is known of the request as it comes.
  LedgerEntry(Books books, LedgerRow row);
  ~LedgerEntry();
  LedgerEntry(const LedgerEntry&) = delete;
  LedgerEntry& operator=(const LedgerEntry&) = delete;

  // A prompt of the request is to be handed to the engine, which will tell its receipt. Takes its
  // labels, unless a header said otherwise, and does to it what levers say, to all its prompts the
  // same.
  void Follow(GenerationRequest& request, const Engine& engine);
  void NoteLabels(const std::string& route, const std::string& version);
  void NoteAdmitted(const Forecast& forecast);
  void NoteStream() { row_.stream = true; }

  // It is over for the client. `verdict`: why, where that is not in the outcome.
  struct End {
    LedgerOutcome outcome = LedgerOutcome::kFinished;
    std::string verdict = {};
    int status = 200;
  };
  void Finish(End end);
  void Refuse(const Error& error);  // before it began

  // The header that tells the client its trace; empty: none is kept.
  std::string traceparent() const;

 private:
  bool is_traced() const { return books_.traces != nullptr && books_.context.is_sampled; }
  void Trace() noexcept;
  void NoteReceipt(const Receipt& receipt, uint64_t block_bytes);
  void Treat(GenerationRequest& request);

  const Books books_;
  const double began_;  // SteadySeconds()
  std::mutex mutex_;
  LedgerRow row_;
  std::optional<Treatment> treatment_;  // from its first prompt on
  std::vector<Receipt> receipts_;
  size_t followed_ = 0;
  uint64_t block_bytes_ = 0;
  double ended_ = 0;
  bool finished_ = false;
};

// Null: there is no ledger, and nothing is traced.
using LedgerEntryPtr = std::shared_ptr<LedgerEntry>;

}  // namespace quire
