// What must be true of a whole database.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "session/session_store.h"

namespace quire {
namespace {

struct LogRow {
  int64_t parent = 0;
  int64_t base = 0;
  int64_t depth = 0;
  int64_t tokens = 0;
  std::string tenant;
  int64_t generation = 0;
  int64_t needed = -1;
};
using Logs = std::map<int64_t, LogRow>;

Statement Query(const Database& database, const char* sql) { return database.Prepare(sql); }

bool More(Statement& query) {
  const auto row = query.Step();
  QUIRE_CHECK(row.has_value(), "the database cannot be read");
  return *row;
}

Logs ReadLogs(const Database& database) {
  Logs logs;
  Statement query =
      Query(database, "SELECT serial, parent, base, depth, tokens, tenant, generation FROM log");
  while (More(query)) {
    logs[query.GetInt(0)] = {query.GetInt(1),
                             query.GetInt(2),
                             query.GetInt(3),
                             query.GetInt(4),
                             query.GetText(5),
                             query.GetInt(6),
                             -1};
  }
  return logs;
}

void CheckPlace(LogRow& log, int64_t at) {
  QUIRE_CHECK(at <= log.tokens && (at > log.base || log.parent == 0), "L2");
  log.needed = std::max(log.needed, at);
}

}  // namespace

void SessionStore::CheckInvariants() {
  const std::lock_guard lock(mutex_);
  Logs logs = ReadLogs(database_);
  std::map<std::string, int64_t> bytes;
  for (const auto& [serial, log] : logs) {
    bytes[log.tenant] += 4 * (log.tokens - log.base);
    QUIRE_CHECK(log.depth <= TokenLogs::kMaxDepth, "L4");
    if (log.parent == 0) continue;
    QUIRE_CHECK(logs.contains(log.parent), "L2");
    LogRow& parent = logs[log.parent];
    QUIRE_CHECK(parent.tenant == log.tenant && parent.generation == log.generation, "S1");
    CheckPlace(parent, log.base);
  }
  Statement sessions =
      Query(database_, "SELECT log, tokens, tenant, generation, length(state) FROM session");
  while (More(sessions)) {
    const auto log = logs.find(sessions.GetInt(0));
    QUIRE_CHECK(log != logs.end() && log->second.tenant == sessions.GetText(2) &&
                    log->second.generation == sessions.GetInt(3),
                "S1");
    CheckPlace(log->second, sessions.GetInt(1));
    bytes[sessions.GetText(2)] += sessions.GetInt(4);
  }
  for (const auto& [serial, log] : logs) QUIRE_CHECK(log.needed == log.tokens, "L3");

  std::map<int64_t, int64_t> covered;
  Statement runs = Query(database_, "SELECT log, first, count FROM run ORDER BY log, first");
  while (More(runs)) {
    const auto log = logs.find(runs.GetInt(0));
    QUIRE_CHECK(log != logs.end(), "L1");
    const int64_t begin = covered.contains(log->first) ? covered[log->first] : log->second.base;
    QUIRE_CHECK(runs.GetInt(1) == begin && runs.GetInt(2) > 0, "L1");
    covered[log->first] = begin + runs.GetInt(2);
  }
  for (const auto& [serial, log] : logs) {
    QUIRE_CHECK(log.tokens == (covered.contains(serial) ? covered[serial] : log.base), "L1");
  }
  Statement usage = Query(database_, "SELECT tenant, bytes FROM usage");
  while (More(usage)) QUIRE_CHECK(bytes[usage.GetText(0)] == usage.GetInt(1), "S2");
}

}  // namespace quire
