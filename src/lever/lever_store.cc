#include "lever/lever_store.h"

#include <fmt/format.h>

#include <utility>

namespace quire {

namespace {

constexpr const char* kName = "file of the levers";
constexpr int64_t kApplication = 0x514c4556;  // "QLEV"
constexpr int64_t kVersion = 1;
constexpr const char* kTables = R"(
CREATE TABLE lever (
  name TEXT PRIMARY KEY,
  phase TEXT NOT NULL,
  since_ms INTEGER NOT NULL,
  changed_ms INTEGER NOT NULL,
  why TEXT NOT NULL,
  digest TEXT NOT NULL
) STRICT;
CREATE TABLE event (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  lever TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  what TEXT NOT NULL,
  why TEXT NOT NULL
) STRICT;
CREATE INDEX event_lever ON event (lever, id);
)";

Result<int64_t> Number(const Database& database, const char* sql) {
  Statement query = database.Prepare(sql);
  QUIRE_TRY([[maybe_unused]] const bool row, query.Step());
  return query.GetInt(0);
}

Status Migrate(const Database& database) {
  QUIRE_TRY(Transaction transaction, Transaction::Begin(database));
  QUIRE_TRY(const int64_t version, Number(database, "PRAGMA user_version"));
  QUIRE_TRY(const int64_t application, Number(database, "PRAGMA application_id"));
  QUIRE_TRY(const int64_t tables, Number(database, "SELECT count(*) FROM sqlite_schema"));
  if (version == kVersion && application == kApplication) return {};
  if (version != 0 || tables > 0) {
    return Refuse(ErrorCode::kCorrupt,
                  "levers.db is of a newer version or of another program; "
                  "move it away, or use another --data");
  }
  if (const Status made = database.Execute(kTables); !made) return made;
  const std::string marks =
      fmt::format("PRAGMA user_version={}; PRAGMA application_id={}", kVersion, kApplication);
  if (const Status done = database.Execute(marks.c_str()); !done) return done;
  return transaction.Commit();
}

// What nobody knows is not applied.
LeverPhase PhaseNamed(std::string_view name) {
  if (name == LeverPhaseName(LeverPhase::kRunning)) return LeverPhase::kRunning;
  if (name == LeverPhaseName(LeverPhase::kRolledBack)) return LeverPhase::kRolledBack;
  return LeverPhase::kStopped;
}

}  // namespace

std::string_view LeverPhaseName(LeverPhase phase) {
  switch (phase) {
    case LeverPhase::kRunning:
      return "running";
    case LeverPhase::kStopped:
      return "stopped";
    case LeverPhase::kRolledBack:
      return "rolled_back";
  }
  return "";
}

Result<std::unique_ptr<LeverStore>> LeverStore::Open(const std::string& path,
                                                     std::chrono::milliseconds lock_wait) {
  QUIRE_TRY(Database database, Database::Open(path, {.name = kName, .lock_wait = lock_wait}));
  if (const Status made = Migrate(database); !made) return std::unexpected(made.error());
  return std::unique_ptr<LeverStore>(new LeverStore(std::move(database)));
}

Result<std::optional<LeverState>> LeverStore::Find(const std::string& lever) const {
  Statement query = database_.Prepare(
      "SELECT phase, since_ms, changed_ms, why, digest FROM lever WHERE name = ?");
  QUIRE_TRY(const bool found, query.Text(lever).Step());
  if (!found) return std::nullopt;
  return LeverState{.phase = PhaseNamed(query.GetText(0)),
                    .since_ms = query.GetInt(1),
                    .changed_ms = query.GetInt(2),
                    .why = query.GetText(3),
                    .digest = query.GetText(4)};
}

Status LeverStore::Save(const std::string& lever, const LeverState& state) const {
  QUIRE_TRY(Transaction transaction, Transaction::Begin(database_));
  Statement save = database_.Prepare(
      "INSERT OR REPLACE INTO lever (name, phase, since_ms, changed_ms, why, digest) "
      "VALUES (?, ?, ?, ?, ?, ?)");
  save.Text(lever).Text(LeverPhaseName(state.phase)).Int(state.since_ms).Int(state.changed_ms);
  if (const Status done = save.Text(state.why).Text(state.digest).Run(); !done) return done;
  Statement note =
      database_.Prepare("INSERT INTO event (lever, at_ms, what, why) VALUES (?, ?, ?, ?)");
  note.Text(lever).Int(state.changed_ms).Text(LeverPhaseName(state.phase)).Text(state.why);
  if (const Status done = note.Run(); !done) return done;
  Statement forget = database_.Prepare("DELETE FROM event WHERE id <= ?");
  if (const Status done = forget.Int(database_.last_insert() - kMostEvents).Run(); !done) {
    return done;
  }
  return transaction.Commit();
}

Result<std::vector<LeverEvent>> LeverStore::Events(const std::string& lever, uint32_t limit) const {
  Statement query = database_.Prepare(
      "SELECT at_ms, what, why FROM event WHERE lever = ? ORDER BY id DESC LIMIT ?");
  query.Text(lever).Int(int64_t{limit});
  std::vector<LeverEvent> events;
  for (;;) {
    QUIRE_TRY(const bool row, query.Step());
    if (!row) return events;
    events.push_back({query.GetInt(0), query.GetText(1), query.GetText(2)});
  }
}

}  // namespace quire
