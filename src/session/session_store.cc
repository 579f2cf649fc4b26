#include "session/session_store.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "session/fields.h"
#include "session/schema.h"
#include "session/session_row.h"

namespace quire {
namespace {

constexpr int64_t kMsPerSecond = 1000;
constexpr int64_t kTokenBytes = sizeof(TokenId);
// What one answer may cost at most to make room for.
constexpr uint32_t kMostDropped = 64;

std::string StatePlace(const SessionSpace& space, const Session& session, std::string_view log) {
  return FieldWriter()
      .Text("quire session 1")
      .Text(space.tenant)
      .Number32(static_cast<uint32_t>(space.kind))
      .Text(session.id)
      .Text(log)
      .Number32(session.tokens)
      .Number64(session.epoch)
      .Number64(session.version)
      .Bytes(session.moved_to)
      .Take();
}

std::unexpected<Error> NotThere(const SessionSpace& space, const std::string& id) {
  const char* what = space.kind == SessionKind::kSession ? "session" : "response";
  return Refuse(ErrorCode::kNotFound,
                fmt::format("there is no {} '{}' here", what, id.substr(0, 64)),
                space.kind == SessionKind::kSession ? "id" : "previous_response_id");
}

int64_t ExpiryOf(const Session& session) {
  return std::max(session.used_ms + session.ttl_seconds * kMsPerSecond, session.pinned_until_ms);
}

void BindExpiry(const Session& session, Statement& statement) {
  session.ttl_seconds == 0 ? statement.Null() : statement.Int(ExpiryOf(session));
}

}  // namespace

Result<std::unique_ptr<SessionStore>> SessionStore::Open(const std::string& path,
                                                         std::string secret, const Limits& limits) {
  QUIRE_CHECK(sodium_init() >= 0 && secret.size() == kSessionSecretBytes);
  QUIRE_TRY(Database database, Database::Open(path, {.name = "session database"}));
  if (const Status done = MigrateSessions(database); !done) return std::unexpected(done.error());
  std::unique_ptr<SessionStore> store(
      new SessionStore(std::move(database), std::move(secret), limits));
  if (Status same = store->CheckSecret(); !same) {
    same.error().message = path + ": " + same.error().message;
    return std::unexpected(std::move(same.error()));
  }
  return store;
}

Status SessionStore::CheckSecret() {
  constexpr std::string_view kPlace = "quire guard 1";
  const Seal seal(secret_, "", 0);
  QUIRE_TRY(Transaction transaction, Transaction::Begin(database_));
  Statement query = database_.Prepare("SELECT sealed FROM guard");
  QUIRE_TRY(const bool found, query.Step());
  if (found) {
    if (seal.Open(query.GetText(0), kPlace)) return {};
    return Refuse(ErrorCode::kInvalidArgument,
                  "its sessions were sealed under another master key; start with that one "
                  "(--master-key-file), with another --data, or move the file away",
                  "master-key-file");
  }
  const std::string sealed = seal.Close({}, kPlace);
  const Status done =
      database_.Prepare("INSERT INTO guard (one, sealed) VALUES (1, ?)").Blob(sealed).Run();
  return done ? transaction.Commit() : done;
}

Result<SessionStore::Row> SessionStore::Load(const SessionSpace& space, const std::string& id,
                                             int64_t now_ms) {
  Statement query = database_.Prepare(
      "SELECT s.serial, s.log, s.tokens, s.version, s.epoch, s.moved_to, s.created_ms, s.used_ms, "
      "s.ttl_seconds, s.pinned_until_ms, s.state, l.uid, p.id FROM session AS s "
      "LEFT JOIN log AS l ON l.serial = s.log "
      "LEFT JOIN session AS p ON p.serial = s.forked_from AND p.tenant = s.tenant "
      "AND p.generation = s.generation AND ifnull(p.expires_ms > ?, 1) "
      "WHERE s.tenant = ? AND s.kind = ? AND s.id = ? AND s.generation = ? "
      "AND ifnull(s.expires_ms > ?, 1)");
  query.Int(now_ms).Text(space.tenant).Int(static_cast<int64_t>(space.kind)).Text(id);
  QUIRE_TRY(const bool found, query.Int(static_cast<int64_t>(space.generation)).Int(now_ms).Step());
  if (!found) {
    if (Status settled = CheckNoArrival(space, id); !settled) {
      return std::unexpected(std::move(settled.error()));
    }
    return NotThere(space, id);
  }
  Row row;
  row.serial = query.GetInt(0);
  row.space = space;
  row.place = {LogId{query.GetInt(1)}, static_cast<uint32_t>(query.GetInt(2))};
  Session& session = row.session;
  session.id = id;
  session.tokens = row.place.tokens;
  session.version = static_cast<uint64_t>(query.GetInt(3));
  session.epoch = static_cast<uint64_t>(query.GetInt(4));
  session.moved_to = query.GetText(5);
  session.created_ms = query.GetInt(6);
  session.used_ms = query.GetInt(7);
  session.ttl_seconds = static_cast<uint32_t>(query.GetInt(8));
  session.pinned_until_ms = query.GetInt(9);
  session.forked_from = query.GetText(12);
  const std::string sealed = query.GetText(10);
  row.state_bytes = static_cast<int64_t>(sealed.size());
  const Seal seal(secret_, space.tenant, space.generation);
  const auto state = seal.Open(sealed, StatePlace(space, session, query.GetText(11)));
  if (!state) {
    return Refuse(ErrorCode::kCorrupt,
                  "the session on disk is not what was written; restore the database from a "
                  "backup, or delete the session");
  }
  QUIRE_TRY(session.state, DecodeState(*state));
  return row;
}

Result<std::string> SessionStore::SealState(const Row& row, const TokenLogs& logs,
                                            const Seal& seal) const {
  QUIRE_TRY(const std::string uid, logs.UidOf(row.place.log));
  return seal.Close(EncodeState(row.session.state), StatePlace(row.space, row.session, uid));
}

Status SessionStore::Insert(const Row& row, const std::string& sealed) {
  const SessionSpace& space = row.space;
  const Session& session = row.session;
  Statement insert = database_.Prepare(
      "INSERT INTO session (tenant, kind, id, generation, log, tokens, version, epoch, moved_to, "
      "created_ms, used_ms, ttl_seconds, pinned_until_ms, expires_ms, state) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?, ?, ?, ?, ?)");
  insert.Text(space.tenant).Int(static_cast<int64_t>(space.kind)).Text(session.id);
  insert.Int(static_cast<int64_t>(space.generation)).Int(static_cast<int64_t>(row.place.log));
  insert.Int(row.place.tokens).Int(static_cast<int64_t>(session.version));
  insert.Int(static_cast<int64_t>(session.epoch)).Int(session.created_ms).Int(session.used_ms);
  insert.Int(session.ttl_seconds).Int(session.pinned_until_ms);
  BindExpiry(session, insert);
  return insert.Blob(sealed).Run();
}

Status SessionStore::Update(const Row& row, const std::string& sealed) {
  const Session& session = row.session;
  Statement update = database_.Prepare(
      "UPDATE session SET log = ?, tokens = ?, version = ?, epoch = ?, moved_to = ?, used_ms = ?, "
      "pinned_until_ms = ?, expires_ms = ?, state = ? WHERE serial = ?");
  update.Int(static_cast<int64_t>(row.place.log)).Int(row.place.tokens);
  update.Int(static_cast<int64_t>(session.version)).Int(static_cast<int64_t>(session.epoch));
  update.Text(session.moved_to).Int(session.used_ms);
  update.Int(session.pinned_until_ms);
  BindExpiry(session, update);
  return update.Blob(sealed).Int(row.serial).Run();
}

// Where the new session begins.
Result<LogPlace> SessionStore::PlaceOf(const SessionSpace& space, const Draft& draft,
                                       TokenLogs& logs, int64_t now_ms) {
  if (draft.from.empty()) {
    QUIRE_TRY(const LogId log, logs.Create());
    return LogPlace{log, 0};
  }
  QUIRE_TRY(const Row from, Load(space, draft.from, now_ms));
  if (Status here = CheckHere(from.session); !here) return std::unexpected(here.error());
  if (from.session.version != draft.from_version || draft.keep_tokens > from.place.tokens) {
    return Refuse(ErrorCode::kConflict,
                  fmt::format("'{}' was changed meanwhile; read it and try again", draft.from));
  }
  return logs.Settle({from.place.log, draft.keep_tokens});
}

// An id whose session has gone but for its rows is free again.
Status SessionStore::FreeId(const SessionSpace& space, const std::string& id, int64_t now_ms) {
  if (Status fits = CheckSessionId(id); !fits) return fits;
  if (Status settled = CheckNoArrival(space, id); !settled) return settled;
  Statement query = database_.Prepare(
      "SELECT serial, generation, ifnull(expires_ms <= ?, 0) FROM session "
      "WHERE tenant = ? AND kind = ? AND id = ?");
  query.Int(now_ms).Text(space.tenant).Int(static_cast<int64_t>(space.kind)).Text(id);
  QUIRE_TRY(const bool found, query.Step());
  if (!found) return {};
  const bool is_there = static_cast<uint64_t>(query.GetInt(1)) == space.generation;
  if (is_there && query.GetInt(2) == 0) {
    return Refuse(
        ErrorCode::kConflict,
        fmt::format("there is a session '{}' already; choose another id, or delete it", id), "id");
  }
  return Remove(query.GetInt(0));
}

Result<Session> SessionStore::CreateIn(const SessionSpace& space, const Draft& draft,
                                       int64_t now_ms) {
  if (Status free = FreeId(space, draft.id, now_ms); !free) return std::unexpected(free.error());
  if (Status room = MakeRoom(space, draft.from); !room) return std::unexpected(room.error());
  const Seal seal(secret_, space.tenant, space.generation);
  TokenLogs logs(database_, {space.tenant, space.generation, seal});
  Row row;
  row.space = space;
  QUIRE_TRY(row.place, PlaceOf(space, draft, logs, now_ms));
  QUIRE_TRY(row.place, logs.Append(row.place, draft.tokens));
  Session& session = row.session;
  session.id = draft.id;
  session.version = 1;
  session.epoch = draft.epoch;
  session.created_ms = session.used_ms = now_ms;
  session.ttl_seconds = draft.ttl_seconds;
  session.tokens = row.place.tokens;
  session.state = draft.state;
  QUIRE_TRY(const std::string sealed, SealState(row, logs, seal));
  const int64_t bytes = static_cast<int64_t>(sealed.size()) + logs.net_tokens() * kTokenBytes;
  Status done = Insert(row, sealed);
  if (done) done = AddUsage(space.tenant, bytes);
  if (done) done = CheckUsage(space, session.id);
  if (!done) return std::unexpected(done.error());
  return std::move(session);
}

Result<Session> SessionStore::Create(const SessionSpace& space, const Draft& draft,
                                     int64_t now_ms) {
  return InTransaction([&] { return CreateIn(space, draft, now_ms); });
}

Result<Session> SessionStore::Fork(const SessionSpace& space, const std::string& id,
                                   const std::string& new_id, int64_t now_ms) {
  return InTransaction([&]() -> Result<Session> {
    QUIRE_TRY(const Row from, Load(space, id, now_ms));
    Draft draft;
    draft.id = new_id;
    draft.ttl_seconds = from.session.ttl_seconds;
    draft.state = from.session.state;
    draft.from = id;
    draft.from_version = from.session.version;
    draft.keep_tokens = from.session.tokens;
    QUIRE_TRY(Session fork, CreateIn(space, draft, now_ms));
    // By its serial: another session may get the id one day.
    Statement update = database_.Prepare(
        "UPDATE session SET forked_from = ? WHERE tenant = ? AND kind = ? AND id = ?");
    update.Int(from.serial).Text(space.tenant).Int(static_cast<int64_t>(space.kind));
    if (Status done = update.Text(new_id).Run(); !done) return std::unexpected(done.error());
    fork.forked_from = id;
    return fork;
  });
}

Result<Session> SessionStore::Get(const SessionSpace& space, const std::string& id,
                                  int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  QUIRE_TRY(Row row, Load(space, id, now_ms));
  return std::move(row.session);
}

Result<SessionStore::Content> SessionStore::Read(const SessionSpace& space, const std::string& id,
                                                 int64_t now_ms) {
  // One view of all rows: another process may write meanwhile.
  return InTransaction([&]() -> Result<Content> {
    QUIRE_TRY(Row row, Load(space, id, now_ms));
    if (Status here = CheckHere(row.session); !here) return std::unexpected(here.error());
    const Seal seal(secret_, space.tenant, space.generation);
    const TokenLogs logs(database_, {space.tenant, space.generation, seal});
    QUIRE_TRY(std::vector<TokenId> tokens, logs.Read(row.place));
    return Content{std::move(row.session), std::move(tokens)};
  });
}

Result<Session> SessionStore::WriteIn(const SessionSpace& space, const std::string& id,
                                      const Change& change, int64_t now_ms) {
  QUIRE_TRY(Row row, Load(space, id, now_ms));
  Session& session = row.session;
  if (Status here = CheckHere(session); !here) return std::unexpected(here.error());
  if (session.version != change.version || change.keep_tokens > session.tokens) {
    return Refuse(ErrorCode::kConflict,
                  "the session was changed by somebody else meanwhile; nothing was written: read "
                  "it and try again");
  }
  const Seal seal(secret_, space.tenant, space.generation);
  TokenLogs logs(database_, {space.tenant, space.generation, seal});
  // First the cut: where nobody else needs what is cut off, the log goes on in place.
  if (change.keep_tokens < session.tokens) {
    const LogId before = row.place.log;
    QUIRE_TRY(row.place, logs.Settle({before, change.keep_tokens}));
    Status cut = MoveTo(row);
    if (cut) cut = logs.Trim(before);
    if (!cut) return std::unexpected(cut.error());
  }
  const LogId shared = row.place.log;
  QUIRE_TRY(row.place, logs.Append(row.place, change.tokens));
  session.tokens = row.place.tokens;
  session.version += 1;
  session.used_ms = now_ms;
  session.state = change.state;
  QUIRE_TRY(const std::string sealed, SealState(row, logs, seal));
  Status done = Update(row, sealed);
  if (done && row.place.log != shared) done = logs.Trim(shared);
  const int64_t bytes =
      static_cast<int64_t>(sealed.size()) - row.state_bytes + logs.net_tokens() * kTokenBytes;
  if (done) done = AddUsage(space.tenant, bytes);
  if (done && bytes > 0) done = CheckUsage(space, session.id);
  if (!done) return std::unexpected(done.error());
  return std::move(session);
}

Result<Session> SessionStore::Write(const SessionSpace& space, const std::string& id,
                                    const Change& change, int64_t now_ms) {
  return InTransaction([&] { return WriteIn(space, id, change, now_ms); });
}

Status SessionStore::MoveTo(const Row& row) {
  return database_.Prepare("UPDATE session SET log = ?, tokens = ? WHERE serial = ?")
      .Int(static_cast<int64_t>(row.place.log))
      .Int(row.place.tokens)
      .Int(row.serial)
      .Run();
}

Result<Session> SessionStore::Pin(const SessionSpace& space, const std::string& id,
                                  int64_t until_ms, int64_t now_ms) {
  return InTransaction([&]() -> Result<Session> {
    QUIRE_TRY(Row row, Load(space, id, now_ms));
    if (Status here = CheckHere(row.session); !here) return std::unexpected(here.error());
    row.session.pinned_until_ms = until_ms;
    row.session.used_ms = now_ms;
    Statement update = database_.Prepare(
        "UPDATE session SET pinned_until_ms = ?, used_ms = ?, expires_ms = ? WHERE serial = ?");
    update.Int(until_ms).Int(now_ms);
    BindExpiry(row.session, update);
    if (Status done = update.Int(row.serial).Run(); !done) return std::unexpected(done.error());
    return std::move(row.session);
  });
}

// Whatever state it is in: also one whose rows are damaged can be deleted.
Status SessionStore::Remove(int64_t serial) {
  Statement query = database_.Prepare(
      "SELECT tenant, generation, log, length(state) FROM session WHERE serial = ?");
  QUIRE_TRY(const bool found, query.Int(serial).Step());
  QUIRE_CHECK(found);
  const std::string tenant = query.GetText(0);
  const auto generation = static_cast<uint64_t>(query.GetInt(1));
  const Seal seal(secret_, tenant, generation);
  TokenLogs logs(database_, {tenant, generation, seal});
  Status done = database_.Prepare("DELETE FROM session WHERE serial = ?").Int(serial).Run();
  if (done) done = logs.Trim(LogId{query.GetInt(2)});
  if (!done && done.error().code == ErrorCode::kCorrupt) done = {};
  if (!done) return done;
  return AddUsage(tenant, logs.net_tokens() * kTokenBytes - query.GetInt(3));
}

Status SessionStore::RemoveNow(const SessionSpace& space, const std::string& id, int64_t now_ms) {
  Statement query = database_.Prepare(
      "SELECT serial FROM session WHERE tenant = ? AND kind = ? AND id = ? AND generation = ? "
      "AND ifnull(expires_ms > ?, 1)");
  query.Text(space.tenant).Int(static_cast<int64_t>(space.kind)).Text(id);
  query.Int(static_cast<int64_t>(space.generation)).Int(now_ms);
  QUIRE_TRY(const bool found, query.Step());
  return found ? Remove(query.GetInt(0)) : NotThere(space, id);
}

Status SessionStore::Close(const SessionSpace& space, const std::string& id, int64_t now_ms) {
  const auto closed = InTransaction([&]() -> Result<bool> {
    Status done = CheckNoArrival(space, id);
    if (done) done = RemoveNow(space, id, now_ms);
    if (!done) return std::unexpected(done.error());
    return true;
  });
  return closed ? Status() : std::unexpected(closed.error());
}

Result<std::vector<Session>> SessionStore::List(const SessionSpace& space, const Search& search,
                                                int64_t now_ms) {
  return InTransaction([&]() -> Result<std::vector<Session>> {
    Statement query = database_.Prepare(
        "SELECT id FROM session WHERE tenant = ? AND kind = ? AND id > ? AND generation = ? "
        "AND instr(id, ?) > 0 AND ifnull(expires_ms > ?, 1) ORDER BY id LIMIT ?");
    query.Text(space.tenant).Int(static_cast<int64_t>(space.kind)).Text(search.after);
    query.Int(static_cast<int64_t>(space.generation)).Text(search.part).Int(now_ms);
    query.Int(search.limit);
    std::vector<Session> sessions;
    for (;;) {
      QUIRE_TRY(const bool more, query.Step());
      if (!more) return sessions;
      QUIRE_TRY(Row row, Load(space, query.GetText(0), now_ms));
      sessions.push_back(std::move(row.session));
    }
  });
}

Result<uint32_t> SessionStore::Expire(int64_t now_ms, uint32_t at_most) {
  return InTransaction([&]() -> Result<uint32_t> {
    std::vector<int64_t> over;
    Statement query = database_.Prepare("SELECT serial FROM session WHERE expires_ms <= ? LIMIT ?");
    query.Int(now_ms).Int(at_most);
    for (;;) {
      QUIRE_TRY(const bool more, query.Step());
      if (!more) break;
      over.push_back(query.GetInt(0));
    }
    for (const int64_t serial : over) {
      if (Status done = Remove(serial); !done) return std::unexpected(done.error());
    }
    return static_cast<uint32_t>(over.size());
  });
}

Status SessionStore::Purge(const std::string& tenant, uint64_t generation) {
  const auto purged = InTransaction([&]() -> Result<bool> {
    for (const char* sql :
         {"DELETE FROM run WHERE log IN (SELECT serial FROM log WHERE tenant = ? AND generation "
          "<> ?)",
          "DELETE FROM log WHERE tenant = ? AND generation <> ?",
          "DELETE FROM session WHERE tenant = ? AND generation <> ?",
          "DELETE FROM arrival WHERE tenant = ? AND generation <> ?"}) {
      Statement statement = database_.Prepare(sql);
      const Status done = statement.Text(tenant).Int(static_cast<int64_t>(generation)).Run();
      if (!done) return std::unexpected(done.error());
    }
    const Status counted =
        database_
            .Prepare(
                "INSERT INTO usage (tenant, bytes) VALUES (?1, "
                "(SELECT ifnull(sum(4 * (tokens - base)), 0) FROM log WHERE tenant = ?1) + "
                "(SELECT ifnull(sum(length(state)), 0) FROM session WHERE tenant = ?1)) "
                "ON CONFLICT (tenant) DO UPDATE SET bytes = excluded.bytes")
            .Text(tenant)
            .Run();
    if (!counted) return std::unexpected(counted.error());
    return true;
  });
  return purged ? Status() : std::unexpected(purged.error());
}

Result<uint64_t> SessionStore::Count(const SessionSpace& space) {
  Statement query = database_.Prepare("SELECT count(*) FROM session WHERE tenant = ? AND kind = ?");
  query.Text(space.tenant).Int(static_cast<int64_t>(space.kind));
  QUIRE_TRY([[maybe_unused]] const bool row, query.Step());
  return static_cast<uint64_t>(query.GetInt(0));
}

Result<uint64_t> SessionStore::CountSessions(const SessionSpace& space) {
  const std::lock_guard lock(mutex_);
  return Count(space);
}

Result<std::vector<SessionStore::TenantCount>> SessionStore::CountByTenant() {
  const std::lock_guard lock(mutex_);
  Statement query = database_.Prepare(
      "SELECT tenant, count(*) FROM session WHERE kind = 0 GROUP BY tenant ORDER BY tenant");
  std::vector<TenantCount> counts;
  for (;;) {
    QUIRE_TRY(const bool more, query.Step());
    if (!more) return counts;
    counts.push_back({query.GetText(0), static_cast<uint64_t>(query.GetInt(1))});
  }
}

// Of responses, the one that was not used for longest, but not this. False if there is none.
Result<bool> SessionStore::DropOldest(const SessionSpace& space, const std::string& but) {
  if (space.kind != SessionKind::kResponse) return false;
  Statement query = database_.Prepare(
      "SELECT serial FROM session WHERE tenant = ? AND kind = ? AND id <> ? "
      "ORDER BY used_ms, serial LIMIT 1");
  query.Text(space.tenant).Int(static_cast<int64_t>(space.kind)).Text(but);
  QUIRE_TRY(const bool found, query.Step());
  if (!found) return false;
  if (Status done = Remove(query.GetInt(0)); !done) return std::unexpected(done.error());
  return true;
}

Status SessionStore::MakeRoom(const SessionSpace& space, const std::string& id) {
  for (;;) {
    QUIRE_TRY(const uint64_t count, Count(space));
    if (count < limits_.count) return {};
    QUIRE_TRY(const bool dropped, DropOldest(space, id));
    if (dropped) continue;
    return Refuse(ErrorCode::kQuotaExceeded,
                  fmt::format("there are {} sessions, and no tenant may have more; delete some, or "
                              "give them a 'ttl_seconds'",
                              count));
  }
}

Status SessionStore::AddUsage(const std::string& tenant, int64_t bytes) {
  return database_
      .Prepare(
          "INSERT INTO usage (tenant, bytes) VALUES (?1, ?2) ON CONFLICT (tenant) DO UPDATE "
          "SET bytes = bytes + ?2")
      .Text(tenant)
      .Int(bytes)
      .Run();
}

// After what was to be written was written: it stays only if there is room for it.
Status SessionStore::CheckUsage(const SessionSpace& space, const std::string& id) {
  for (uint32_t dropped = 0;; ++dropped) {
    Statement query = database_.Prepare("SELECT bytes FROM usage WHERE tenant = ?");
    QUIRE_TRY([[maybe_unused]] const bool row, query.Text(space.tenant).Step());
    const int64_t bytes = query.GetInt(0);
    if (bytes <= static_cast<int64_t>(limits_.bytes)) return {};
    bool more = false;
    if (dropped < kMostDropped) {
      QUIRE_TRY(more, DropOldest(space, id));
    }
    if (more) continue;
    return Refuse(ErrorCode::kQuotaExceeded,
                  fmt::format("with this the sessions take {} bytes, and a tenant may use {} "
                              "(--session-disk); delete some, or cut them short",
                              bytes, limits_.bytes));
  }
}

}  // namespace quire
