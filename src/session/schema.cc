#include "session/schema.h"

#include <fmt/format.h>

#include <string>

namespace quire {
namespace {

// What a version adds to the one before it. Steps that were released are never changed.
constexpr const char* kSteps[] = {
    R"(
CREATE TABLE guard (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  sealed BLOB NOT NULL
) STRICT;
CREATE TABLE log (
  serial INTEGER PRIMARY KEY AUTOINCREMENT,
  uid BLOB NOT NULL,
  tenant TEXT NOT NULL,
  generation INTEGER NOT NULL,
  parent INTEGER NOT NULL,
  base INTEGER NOT NULL,
  depth INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  link BLOB NOT NULL
) STRICT;
CREATE INDEX log_parent ON log (parent, base);
CREATE INDEX log_tenant ON log (tenant, generation);
CREATE TABLE run (
  log INTEGER NOT NULL,
  first INTEGER NOT NULL,
  count INTEGER NOT NULL,
  sealed BLOB NOT NULL,
  PRIMARY KEY (log, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE session (
  serial INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL,
  kind INTEGER NOT NULL,
  id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  log INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  version INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  moved_to TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  used_ms INTEGER NOT NULL,
  ttl_seconds INTEGER NOT NULL,
  pinned_until_ms INTEGER NOT NULL,
  expires_ms INTEGER,
  state BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX session_id ON session (tenant, kind, id);
CREATE INDEX session_log ON session (log, tokens);
CREATE INDEX session_used ON session (tenant, kind, used_ms);
CREATE INDEX session_expires ON session (expires_ms) WHERE expires_ms IS NOT NULL;
CREATE TABLE usage (
  tenant TEXT NOT NULL PRIMARY KEY,
  bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
)",
    R"(
CREATE TABLE departure (
  handoff BLOB NOT NULL PRIMARY KEY,
  peer TEXT NOT NULL,
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  epoch INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE arrival (
  handoff BLOB NOT NULL PRIMARY KEY,
  peer TEXT NOT NULL,
  origin BLOB NOT NULL,
  tenant TEXT NOT NULL,
  generation INTEGER NOT NULL,
  id TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX arrival_id ON arrival (tenant, id);
)",
    R"(
CREATE TABLE arrived (
  serial INTEGER PRIMARY KEY AUTOINCREMENT,
  handoff BLOB NOT NULL UNIQUE,
  at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX arrival_peer ON arrival (peer, handoff);
CREATE INDEX departure_peer ON departure (peer, handoff);
CREATE INDEX departure_id ON departure (tenant, id);
)",
    R"(
ALTER TABLE session ADD COLUMN forked_from INTEGER NOT NULL DEFAULT 0;
)"};

constexpr int64_t kApplication = 0x51555352;  // "QUSR": what the file says it is

// The one number that it answers.
Result<int64_t> Number(const Database& database, const char* sql) {
  Statement query = database.Prepare(sql);
  QUIRE_TRY([[maybe_unused]] const bool row, query.Step());
  return query.GetInt(0);
}

// SQL on tables that are not there would be taken for a bug.
Status CheckTables(const Database& database) {
  QUIRE_TRY(const int64_t tables,
            Number(database,
                   "SELECT (SELECT count(*) FROM pragma_table_info('guard')) * 1 + "
                   "(SELECT count(*) FROM pragma_table_info('log')) * 10 + "
                   "(SELECT count(*) FROM pragma_table_info('run')) * 100 + "
                   "(SELECT count(*) FROM pragma_table_info('session')) * 1000 + "
                   "(SELECT count(*) FROM pragma_table_info('usage')) * 100000 + "
                   "(SELECT count(*) FROM pragma_table_info('departure')) * 1000000 + "
                   "(SELECT count(*) FROM pragma_table_info('arrival')) * 10000000 + "
                   "(SELECT count(*) FROM pragma_table_info('arrived')) * 100000000"));
  constexpr int64_t kWanted =
      2 + 9 * 10 + 4 * 100 + 17 * 1000 + 2 * 100000 + 5 * 1000000 + 6 * 10000000 + 3 * 100000000;
  if (tables == kWanted) return {};
  return Refuse(ErrorCode::kCorrupt,
                "the session database lacks tables or columns; restore it from a backup");
}

}  // namespace

Status MigrateSessions(const Database& database) {
  constexpr auto kNewest = static_cast<int64_t>(std::size(kSteps));
  QUIRE_TRY(Transaction transaction, Transaction::Begin(database));
  QUIRE_TRY(const int64_t version, Number(database, "PRAGMA user_version"));
  QUIRE_TRY(const int64_t application, Number(database, "PRAGMA application_id"));
  if (version > 0 && application != kApplication) {
    return Refuse(ErrorCode::kCorrupt, "the session database is a file of another program");
  }
  if (version > kNewest) {
    return Refuse(ErrorCode::kCorrupt,
                  fmt::format("the session database has version {}, this program knows {}; use a "
                              "newer one, or another --data",
                              version, kNewest));
  }
  if (version == kNewest) return CheckTables(database);
  for (int64_t step = version; step < kNewest; ++step) {
    if (const Status done = database.Execute(kSteps[step]); !done) return done;
  }
  const std::string marks =
      fmt::format("PRAGMA user_version={}; PRAGMA application_id={}", kNewest, kApplication);
  if (const Status done = database.Execute(marks.c_str()); !done) return done;
  return transaction.Commit();
}

}  // namespace quire
