// How a session leaves one server for another, each step one transaction.
#include <fmt/format.h>
#include <sodium.h>

#include <utility>

#include "session/session_row.h"
#include "session/session_store.h"

namespace quire {
namespace {

std::unexpected<Error> NoSuchHandoff() {
  return Refuse(ErrorCode::kNotFound, "there is no such hand-off here");
}

SessionSpace Hidden(const SessionSpace& space) {
  return {space.tenant, space.generation, SessionKind::kArriving};
}

}  // namespace

Result<Session> SessionStore::Depart(const SessionSpace& space, const std::string& id,
                                     const Departure& departure, int64_t now_ms) {
  return InTransaction([&]() -> Result<Session> {
    QUIRE_TRY(Row row, Load(space, id, now_ms));
    Session& session = row.session;
    if (Status here = CheckHere(session); !here) return std::unexpected(here.error());
    if (session.version != departure.version) {
      return Refuse(ErrorCode::kConflict, "the session was changed while it was handed over");
    }
    session.epoch += 1;
    session.version += 1;
    session.used_ms = now_ms;
    session.pinned_until_ms = 0;
    session.moved_to = departure.address;
    const Seal seal(secret_, space.tenant, space.generation);
    const TokenLogs logs(database_, {space.tenant, space.generation, seal});
    QUIRE_TRY(const std::string sealed, SealState(row, logs, seal));
    Status done = Update(row, sealed);
    if (done) {
      done = database_
                 .Prepare(
                     "INSERT INTO departure (handoff, peer, tenant, id, epoch) "
                     "VALUES (?, ?, ?, ?, ?)")
                 .Blob(departure.handoff)
                 .Text(departure.peer)
                 .Text(space.tenant)
                 .Text(id)
                 .Int(static_cast<int64_t>(session.epoch))
                 .Run();
    }
    if (!done) return std::unexpected(done.error());
    return std::move(session);
  });
}

Result<bool> SessionStore::HasDeparted(const std::string& handoff) {
  const std::lock_guard lock(mutex_);
  Statement query = database_.Prepare("SELECT 1 FROM departure WHERE handoff = ?");
  return query.Blob(handoff).Step();
}

Result<std::vector<SessionStore::Departed>> SessionStore::Departures(const OfPeer& page) {
  const std::lock_guard lock(mutex_);
  std::vector<Departed> departed;
  Statement query = database_.Prepare(
      "SELECT handoff, peer, tenant, id, epoch FROM departure WHERE peer = ? AND handoff > ? "
      "ORDER BY handoff LIMIT ?");
  query.Text(page.peer).Blob(page.after).Int(page.limit);
  for (;;) {
    QUIRE_TRY(const bool more, query.Step());
    if (!more) return departed;
    departed.push_back({query.GetText(0), query.GetText(1), query.GetText(2), query.GetText(3),
                        static_cast<uint64_t>(query.GetInt(4))});
  }
}

Result<bool> SessionStore::HasBeen(const std::string& tenant, const std::string& id,
                                   uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  Statement query = database_.Prepare(
      "SELECT 1 FROM session WHERE tenant = ? AND kind = 0 AND id = ? AND epoch >= ?");
  return query.Text(tenant).Text(id).Int(static_cast<int64_t>(epoch)).Step();
}

Status SessionStore::Forget(const char* table, const std::string& handoff) {
  const std::string sql = fmt::format("DELETE FROM {} WHERE handoff = ?", table);
  return database_.Prepare(sql.c_str()).Blob(handoff).Run();
}

// What is left of a session that has moved says where it is.
Status SessionStore::Empty(Row row) {
  const Seal seal(secret_, row.space.tenant, row.space.generation);
  TokenLogs logs(database_, {row.space.tenant, row.space.generation, seal});
  const LogId before = row.place.log;
  QUIRE_TRY(const LogId empty, logs.Create());
  row.place = {empty, 0};
  Session& session = row.session;
  session.tokens = 0;
  SessionState state;
  state.model = session.state.model;
  state.vocabulary = session.state.vocabulary;
  session.state = std::move(state);
  QUIRE_TRY(const std::string sealed, SealState(row, logs, seal));
  Status done = Update(row, sealed);
  if (done) done = logs.Trim(before);
  if (!done) return done;
  return AddUsage(row.space.tenant, static_cast<int64_t>(sealed.size()) - row.state_bytes +
                                        logs.net_tokens() * int64_t{sizeof(TokenId)});
}

Status SessionStore::Settle(const std::string& handoff, int64_t now_ms) {
  const auto settled = InTransaction([&]() -> Result<bool> {
    Statement query = database_.Prepare(
        "SELECT s.tenant, s.generation, s.id FROM departure AS d JOIN session AS s "
        "ON s.tenant = d.tenant AND s.id = d.id AND s.kind = 0 AND s.epoch = d.epoch "
        "WHERE d.handoff = ? AND s.moved_to <> ''");
    QUIRE_TRY(const bool found, query.Blob(handoff).Step());
    if (found) {
      const SessionSpace space{query.GetText(0), static_cast<uint64_t>(query.GetInt(1)),
                               SessionKind::kSession};
      auto row = Load(space, query.GetText(2), now_ms);
      if (row) {
        const Status emptied = Empty(*std::move(row));
        if (!emptied) return std::unexpected(emptied.error());
      }
    }
    const Status gone = Forget("departure", handoff);
    if (!gone) return std::unexpected(gone.error());
    return true;
  });
  return settled ? Status() : std::unexpected(settled.error());
}

Status SessionStore::CheckNoArrival(const SessionSpace& space, const std::string& id) {
  if (space.kind != SessionKind::kSession) return {};
  Statement query = database_.Prepare("SELECT peer FROM arrival WHERE tenant = ? AND id = ?");
  QUIRE_TRY(const bool found, query.Text(space.tenant).Text(id).Step());
  if (!found) return {};
  return Refuse(
      ErrorCode::kUnavailable,
      fmt::format("the session '{0}' is coming from '{1}', and it is not yet settled who "
                  "has it; it will be as soon as '{1}' answers: try again, or, if '{1}' is "
                  "gone for good, reclaim the session, or delete it with force=true",
                  id, query.GetText(0)));
}

// Where it will stand there may be what is left of one that has moved, and nothing else.
Status SessionStore::CheckPlaceFor(const Arrival& arrival, uint64_t epoch, int64_t now_ms) {
  Statement query = database_.Prepare(
      "SELECT moved_to, epoch FROM session WHERE tenant = ? AND kind = 0 AND id = ? AND "
      "generation = ? AND ifnull(expires_ms > ?, 1)");
  query.Text(arrival.space.tenant).Text(arrival.id);
  query.Int(static_cast<int64_t>(arrival.space.generation)).Int(now_ms);
  QUIRE_TRY(const bool found, query.Step());
  if (!found) return {};
  const bool has_left = !query.GetText(0).empty();
  if (has_left && static_cast<uint64_t>(query.GetInt(1)) < epoch) return {};
  return Refuse(ErrorCode::kConflict,
                fmt::format("there is a session '{}' already; delete it, or fork the other one "
                            "under another id and hand that over",
                            arrival.id),
                "id");
}

Status SessionStore::Stage(const Arrival& arrival, const Draft& draft, int64_t now_ms) {
  const auto staged = InTransaction([&]() -> Result<Session> {
    Status done = CheckNoArrival(arrival.space, arrival.id);
    if (done) done = CheckPlaceFor(arrival, draft.epoch, now_ms);
    if (done) done = MakeRoom(arrival.space, {});
    if (!done) return std::unexpected(done.error());
    const SessionSpace hidden = Hidden(arrival.space);
    QUIRE_TRY(Session session, CreateIn(hidden, draft, now_ms));
    done = database_
               .Prepare(
                   "UPDATE session SET expires_ms = NULL WHERE tenant = ? AND kind = 2 "
                   "AND id = ?")
               .Text(arrival.space.tenant)
               .Text(arrival.id)
               .Run();
    Statement insert = database_.Prepare(
        "INSERT INTO arrival (handoff, peer, origin, tenant, generation, id) "
        "VALUES (?, ?, ?, ?, ?, ?)");
    insert.Blob(arrival.handoff).Text(arrival.peer).Blob(arrival.origin);
    insert.Text(arrival.space.tenant).Int(static_cast<int64_t>(arrival.space.generation));
    if (done) done = insert.Text(arrival.id).Run();
    if (!done) return std::unexpected(done.error());
    return session;
  });
  return staged ? Status() : std::unexpected(staged.error());
}

Result<SessionStore::Arrival> SessionStore::LoadArrival(const std::string& handoff) {
  Statement query = database_.Prepare(
      "SELECT peer, origin, tenant, generation, id FROM arrival WHERE handoff = ?");
  QUIRE_TRY(const bool found, query.Blob(handoff).Step());
  if (!found) return NoSuchHandoff();
  Arrival arrival{
      .handoff = handoff,
      .peer = query.GetText(0),
      .origin = query.GetText(1),
      .space = {query.GetText(2), static_cast<uint64_t>(query.GetInt(3)), SessionKind::kSession},
      .id = query.GetText(4)};
  return arrival;
}

Result<Session> SessionStore::ActivateIn(const Arrival& arrival, uint64_t more_epochs,
                                         int64_t now_ms) {
  Status gone = Forget("arrival", arrival.handoff);
  if (gone) gone = NoteArrived(arrival.handoff, now_ms);
  if (!gone) return std::unexpected(gone.error());
  QUIRE_TRY(Row row, Load(Hidden(arrival.space), arrival.id, now_ms));
  Statement before =
      database_.Prepare("SELECT serial FROM session WHERE tenant = ? AND kind = 0 AND id = ?");
  QUIRE_TRY(const bool found, before.Text(arrival.space.tenant).Text(arrival.id).Step());
  if (found) {
    const Status removed = Remove(before.GetInt(0));
    if (!removed) return std::unexpected(removed.error());
  }
  row.space = arrival.space;
  row.session.used_ms = now_ms;
  row.session.epoch += more_epochs;
  const Seal seal(secret_, row.space.tenant, row.space.generation);
  const TokenLogs logs(database_, {row.space.tenant, row.space.generation, seal});
  QUIRE_TRY(const std::string sealed, SealState(row, logs, seal));
  Status done =
      database_.Prepare("UPDATE session SET kind = 0 WHERE serial = ?").Int(row.serial).Run();
  if (done) done = Update(row, sealed);
  if (!done) return std::unexpected(done.error());
  return std::move(row.session);
}

Result<Session> SessionStore::Activate(const std::string& handoff, const std::string& peer,
                                       int64_t now_ms) {
  return InTransaction([&]() -> Result<Session> {
    QUIRE_TRY(const Arrival arrival, LoadArrival(handoff));
    if (arrival.peer != peer) return NoSuchHandoff();
    return ActivateIn(arrival, 0, now_ms);
  });
}

// Rows that were left long ago make room for those of today.
Status SessionStore::NoteArrived(const std::string& handoff, int64_t now_ms) {
  Status done = database_.Prepare("INSERT OR IGNORE INTO arrived (handoff, at_ms) VALUES (?, ?)")
                    .Blob(handoff)
                    .Int(now_ms)
                    .Run();
  if (!done) return done;
  return database_
      .Prepare(
          "DELETE FROM arrived WHERE serial IN (SELECT serial FROM arrived WHERE at_ms < ?1 OR "
          "serial <= (SELECT max(serial) FROM arrived) - ?2 ORDER BY serial LIMIT 1000)")
      .Int(now_ms - kArrivedKeptMs)
      .Int(kMostArrived)
      .Run();
}

Result<bool> SessionStore::HasArrived(const std::string& handoff) {
  const std::lock_guard lock(mutex_);
  Statement query = database_.Prepare("SELECT 1 FROM arrived WHERE handoff = ?");
  return query.Blob(handoff).Step();
}

Status SessionStore::DiscardIn(const Arrival& arrival) {
  Statement query =
      database_.Prepare("SELECT serial FROM session WHERE tenant = ? AND kind = 2 AND id = ?");
  QUIRE_TRY(const bool found, query.Text(arrival.space.tenant).Text(arrival.id).Step());
  const Status done = found ? Remove(query.GetInt(0)) : Status();
  return done ? Forget("arrival", arrival.handoff) : done;
}

Status SessionStore::Discard(const std::string& handoff) {
  const auto discarded = InTransaction([&]() -> Result<bool> {
    QUIRE_TRY(const Arrival arrival, LoadArrival(handoff));
    if (Status done = DiscardIn(arrival); !done) return std::unexpected(done.error());
    return true;
  });
  return discarded ? Status() : std::unexpected(discarded.error());
}

Result<std::vector<SessionStore::Arrival>> SessionStore::Arrivals(const OfPeer& page) {
  const std::lock_guard lock(mutex_);
  std::vector<Arrival> arrivals;
  Statement query = database_.Prepare(
      "SELECT handoff FROM arrival WHERE peer = ? AND handoff > ? ORDER BY handoff LIMIT ?");
  query.Text(page.peer).Blob(page.after).Int(page.limit);
  for (;;) {
    QUIRE_TRY(const bool more, query.Step());
    if (!more) return arrivals;
    QUIRE_TRY(Arrival arrival, LoadArrival(query.GetText(0)));
    arrivals.push_back(std::move(arrival));
  }
}

// The guard is sealed under a nonce that was drawn when the file was made.
Result<std::string> SessionStore::StoreId() {
  const std::lock_guard lock(mutex_);
  Statement query = database_.Prepare("SELECT sealed FROM guard");
  QUIRE_TRY([[maybe_unused]] const bool found, query.Step());
  return SignatureOf({}, query.GetText(0));
}

}  // namespace quire
