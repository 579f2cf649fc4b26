// Sessions of which the other server says nothing: whose they are is then what an operator says.
#include <fmt/format.h>

#include <utility>

#include "session/session_row.h"
#include "session/session_store.h"

namespace quire {

Result<std::optional<SessionStore::Arrival>> SessionStore::ArrivalOf(const SessionSpace& space,
                                                                     const std::string& id) {
  Statement query = database_.Prepare(
      "SELECT handoff FROM arrival WHERE tenant = ? AND id = ? AND generation = ?");
  query.Text(space.tenant).Text(id).Int(static_cast<int64_t>(space.generation));
  QUIRE_TRY(const bool found, query.Step());
  if (!found) return std::nullopt;
  QUIRE_TRY(Arrival arrival, LoadArrival(query.GetText(0)));
  return std::optional(std::move(arrival));
}

Result<std::optional<SessionStore::Departed>> SessionStore::DepartureOf(const SessionSpace& space,
                                                                        const std::string& id) {
  Statement query = database_.Prepare(
      "SELECT d.handoff, d.peer, d.epoch FROM departure AS d JOIN session AS s "
      "ON s.tenant = d.tenant AND s.id = d.id AND s.kind = 0 AND s.epoch = d.epoch "
      "WHERE d.tenant = ? AND d.id = ? AND s.generation = ? AND s.moved_to <> ''");
  query.Text(space.tenant).Text(id).Int(static_cast<int64_t>(space.generation));
  QUIRE_TRY(const bool found, query.Step());
  if (!found) return std::nullopt;
  return Departed{query.GetText(0), query.GetText(1), space.tenant, id,
                  static_cast<uint64_t>(query.GetInt(2))};
}

Result<SessionStore::Doubt> SessionStore::DoubtOf(const SessionSpace& space,
                                                  const std::string& id) {
  return InTransaction([&]() -> Result<Doubt> {
    Doubt doubt;
    QUIRE_TRY(doubt.arrival, ArrivalOf(space, id));
    QUIRE_TRY(doubt.departure, DepartureOf(space, id));
    return doubt;
  });
}

Result<SessionStore::Doubts> SessionStore::CountDoubts() {
  const std::lock_guard lock(mutex_);
  Statement query =
      database_.Prepare("SELECT (SELECT count(*) FROM arrival), (SELECT count(*) FROM departure)");
  QUIRE_TRY([[maybe_unused]] const bool row, query.Step());
  return Doubts{static_cast<uint64_t>(query.GetInt(0)), static_cast<uint64_t>(query.GetInt(1))};
}

// Its tokens are still here, since nobody has said that they have arrived.
Result<Session> SessionStore::ReclaimDeparted(Row row) {
  const SessionSpace& space = row.space;
  Session& session = row.session;
  QUIRE_TRY(const auto departure, DepartureOf(space, session.id));
  if (!departure) {
    return Refuse(ErrorCode::kConflict,
                  fmt::format("the session '{}' has arrived at {}, and its tokens are not here any "
                              "more; go on there",
                              session.id, session.moved_to));
  }
  session.moved_to.clear();
  session.epoch += 1;
  session.version += 1;
  const Seal seal(secret_, space.tenant, space.generation);
  const TokenLogs logs(database_, {space.tenant, space.generation, seal});
  QUIRE_TRY(const std::string sealed, SealState(row, logs, seal));
  Status done = Update(row, sealed);
  if (done) done = Forget("departure", departure->handoff);
  if (!done) return std::unexpected(done.error());
  return std::move(session);
}

Result<Session> SessionStore::Reclaim(const SessionSpace& space, const std::string& id,
                                      int64_t now_ms) {
  return InTransaction([&]() -> Result<Session> {
    QUIRE_TRY(const auto arrival, ArrivalOf(space, id));
    if (arrival) return ActivateIn(*arrival, 1, now_ms);
    QUIRE_TRY(Row row, Load(space, id, now_ms));
    if (row.session.moved_to.empty()) return std::move(row.session);
    return ReclaimDeparted(std::move(row));
  });
}

// A receiver that comes back hears that what departed is not its own, and forgets it; an owner that
// comes back hears that what it gave away has arrived.
Status SessionStore::EndInDoubt(const SessionSpace& space, const std::string& id, int64_t now_ms) {
  const auto ended = InTransaction([&]() -> Result<bool> {
    QUIRE_TRY(const auto arrival, ArrivalOf(space, id));
    QUIRE_TRY(const auto departure, DepartureOf(space, id));
    Status done;
    if (arrival) done = DiscardIn(*arrival);
    if (arrival && done) done = NoteArrived(arrival->handoff, now_ms);
    if (departure && done) done = Forget("departure", departure->handoff);
    if (done) done = RemoveNow(space, id, now_ms);
    const bool gone = done || (arrival && done.error().code == ErrorCode::kNotFound);
    if (!gone) return std::unexpected(done.error());
    return true;
  });
  return ended ? Status() : std::unexpected(ended.error());
}

}  // namespace quire
