// lever/lever_board.h -- the levers of a server: who is in which arm, and which of them still run.
//
//   (new in levers.toml, or started) -> running --Stop-------------------> stopped
//                                          |                                 |
//                                          +--guard broken--> rolled back    |
//                                          ^                       |         |
//                                          +--------- Start -------+---------+
//
// A thread compares both arms of each that runs, in the ledger, every two seconds. A phase
// outlives the server (lever_store.h), whatever levers.toml says meanwhile; when another change is
// made of a lever that runs, its comparison begins anew.
//
// While the ledger cannot be read, or loses rows, nobody would see a treatment do harm: after some
// checks like that no lever is applied, until it is whole again.
//
// Threads  any.
// Errors   kNotFound for a lever that is not in levers.toml, naming those that are; those of
//          database.h. A rollback that cannot be written down holds nevertheless, and is written
//          as soon as it can be.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"
#include "ledger/ledger.h"
#include "lever/arm_draw.h"
#include "lever/guard.h"
#include "lever/lever.h"
#include "lever/lever_store.h"

namespace quire {

// What is done otherwise for one request, and what its row says of that.
struct Treatment {
  std::vector<LeverChange> changes;
  std::string arms;
};

struct LeverStatus {
  Lever lever;
  LeverState state;
  std::array<uint64_t, kArms> requests{};  // since the server began, by Arm
  uint64_t rollbacks = 0;                  // likewise
};

struct LeverReport {
  LeverStatus status;
  // Of this run, or the last one, until its end: [metric][arm].
  std::array<std::array<ArmFigure, kArms>, kLeverMetrics> figures{};
  GuardFinding finding;            // of the end of the guardrail's window
  std::vector<LeverEvent> events;  // newest first
};

class LeverBoard {
 public:
  struct Options {
    std::string path;                                                     // LeverStore
    std::string key;                                                      // ArmDraw
    std::shared_ptr<Ledger> ledger;                                       // not null
    std::function<void(std::string_view)> log = [](std::string_view) {};  // any thread
    std::chrono::milliseconds check_every{2000};  // 0: only when Check is called
    std::chrono::milliseconds lock_wait = DatabaseOptions().lock_wait;
  };
  static Result<std::unique_ptr<LeverBoard>> Open(Options options, std::vector<Lever> levers);
  ~LeverBoard();
  LeverBoard(const LeverBoard&) = delete;
  LeverBoard& operator=(const LeverBoard&) = delete;

  // Other levers from now on. After an error the old ones stay.
  Status Set(std::vector<Lever> levers);

  // Of a request that is about to be served; counts it.
  Treatment Treat(std::string_view tenant, std::string_view route);

  // Returns what became of it; nothing new if it was so.
  Result<LeverStatus> Start(const std::string& name);
  Result<LeverStatus> Stop(const std::string& name, const std::string& why);

  std::vector<LeverStatus> List() const;
  Result<LeverReport> Report(const std::string& name);  // waits for the rows of what has ended
  bool is_blind() const;

  void Check();  // compares now

 private:
  LeverBoard(Options options, std::unique_ptr<LeverStore> store);
  Result<LeverStatus> StatusOf(const std::string& name) const;
  Result<LeverStatus> Change(const std::string& name, LeverState state);
  bool CheckOne(const LeverStatus& status);
  void RollBack(const LeverStatus& status, const std::string& why);
  void SaveOwed();
  void NoteChecked(bool failed);
  void ThreadMain();

  const Options options_;
  const ArmDraw draw_;
  std::mutex check_mutex_;  // held by whoever checks, before the others
  uint64_t written_ = 0;    // of the ledger's rows, as of the last check
  uint64_t lost_ = 0;
  // Held by whoever changes a phase, before the other one.
  std::mutex store_mutex_;
  const std::unique_ptr<LeverStore> store_;
  std::map<std::string, LeverState> owed_;  // rolled back, not written yet; with store_mutex_

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // All below are guarded by mutex_.
  std::vector<LeverStatus> levers_;  // by name
  uint32_t failures_ = 0;            // of checks, one after the other
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace quire
