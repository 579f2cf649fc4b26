// lever/lever_store.h -- whether a lever runs, since when and why, beyond the life of a server.
//
// A SQLite file (docs/formats.md). States are kept of levers that are not in levers.toml any more:
// one that was rolled back does not run again because its lines come back.
//
// Threads  none: its owner guards it.
// Errors   those of database.h. kCorrupt also for a file of a newer version, or of another program.
// Bounds   kMostEvents of all levers; the oldest go.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/sqlite/database.h"

namespace quire {

enum class LeverPhase : uint8_t {
  kRunning,
  kStopped,     // by somebody
  kRolledBack,  // by the server
};
std::string_view LeverPhaseName(LeverPhase phase);  // "rolled_back"

struct LeverState {
  LeverPhase phase = LeverPhase::kRunning;
  int64_t since_ms = 0;    // of this run, or the last one: requests before it do not count
  int64_t changed_ms = 0;  // when it came into this phase, or another change was made of it
  std::string why;
  std::string digest;  // Lever::Digest
};

struct LeverEvent {
  int64_t at_ms = 0;
  std::string what;  // name of the phase
  std::string why;
};

class LeverStore {
 public:
  static constexpr int64_t kMostEvents = 1000;

  static Result<std::unique_ptr<LeverStore>> Open(
      const std::string& path, std::chrono::milliseconds lock_wait = DatabaseOptions().lock_wait);

  Result<std::optional<LeverState>> Find(const std::string& lever) const;
  // With an event that says so. All of it or nothing.
  Status Save(const std::string& lever, const LeverState& state) const;
  Result<std::vector<LeverEvent>> Events(const std::string& lever, uint32_t limit) const;  // newest

  const Database& database() const { return database_; }  // for tests

 private:
  explicit LeverStore(Database database) : database_(std::move(database)) {}

  Database database_;
};

}  // namespace quire
