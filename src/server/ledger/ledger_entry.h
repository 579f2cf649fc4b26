// server/ledger/ledger_entry.h -- the row of one request, while it comes about.
//
// The server and the engine hold it together: a client may leave while the engine still works on
// what it asked for. Whoever lets go of it last hands the row to the ledger.
//
// Threads  any. Errors  none.
#pragma once

#include <chrono>
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

namespace quire {

class LedgerEntry : public std::enable_shared_from_this<LedgerEntry> {
 public:
  // `row`: what is known of the request as it comes. `levers` null: nothing is tried on it.
  LedgerEntry(std::shared_ptr<Ledger> ledger, std::shared_ptr<LeverBoard> levers, LedgerRow row);
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

 private:
  void NoteReceipt(const Receipt& receipt, uint64_t block_bytes);
  void Treat(GenerationRequest& request);

  const std::shared_ptr<Ledger> ledger_;
  const std::shared_ptr<LeverBoard> levers_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::mutex mutex_;
  LedgerRow row_;
  std::optional<Treatment> treatment_;  // from its first prompt on
  std::vector<Receipt> receipts_;
  size_t followed_ = 0;
  uint64_t block_bytes_ = 0;
  bool finished_ = false;
};

// Null: there is no ledger.
using LedgerEntryPtr = std::shared_ptr<LedgerEntry>;

}  // namespace quire
