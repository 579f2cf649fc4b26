// session/session_store.h -- the sessions of a server, durable: what is acknowledged is on the
// disk.
//
//   Create --Write (append, truncate, go on)--> ... --Close, Expire, Purge--> gone
//     \--Fork--> a session of its own that shares the tokens so far
//
// Every call that changes something is one transaction of database.h: it has happened wholly, and
// is on the disk, when it returns without error; and not at all otherwise. A writer says which
// version it has read: of two who change one session at once, one gets kConflict, also when they
// are two processes.
//
// Invariants (CheckInvariants), beside those of token_log.h:
//   S1  every session stands at a place of a log of its own tenant and generation.
//   S2  what a tenant is said to use is the sum of what is there.
//
// Threads  any: one call at a time, the others wait.
// Errors   those of database.h; kNotFound for an id that is not there, has expired or is another
//          tenant's; kConflict for an id that is taken, a version that is old and a session that
//          has moved; kQuotaExceeded with the limit; kCorrupt for rows that do not open.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/sqlite/database.h"
#include "base/token_id.h"
#include "session/seal.h"
#include "session/session.h"
#include "session/token_log.h"

namespace quire {

inline constexpr size_t kHandoffIdBytes = 16;

class SessionStore {
 public:
  // Of each tenant; sessions and responses are counted apart. Of responses the longest unused make
  // room, as nobody is asked before one is kept.
  struct Limits {
    uint32_t count = 10000;
    uint64_t bytes = uint64_t{1} << 30;  // ids at 4 each, and states
  };

  // `secret` has kSessionSecretBytes; kInvalidArgument if the file was made with another one.
  static Result<std::unique_ptr<SessionStore>> Open(const std::string& path, std::string secret,
                                                    const Limits& limits);

  struct Draft {
    std::string id;
    uint32_t ttl_seconds = 0;
    uint64_t epoch = 1;
    SessionState state;
    std::string from;             // the session that it goes on from; empty: none
    uint64_t from_version = 0;    // that was read
    uint32_t keep_tokens = 0;     // of it
    std::vector<TokenId> tokens;  // behind those
  };
  Result<Session> Create(const SessionSpace& space, const Draft& draft, int64_t now_ms);
  // Shares all tokens and copies the rest, but for pins; remembers of whom.
  Result<Session> Fork(const SessionSpace& space, const std::string& id, const std::string& new_id,
                       int64_t now_ms);

  struct Content {
    Session session;
    std::vector<TokenId> tokens;
  };
  Result<Session> Get(const SessionSpace& space, const std::string& id, int64_t now_ms);
  Result<Content> Read(const SessionSpace& space, const std::string& id, int64_t now_ms);

  struct Change {
    uint64_t version = 0;  // that was read
    uint32_t keep_tokens = 0;
    std::vector<TokenId> tokens;  // behind those
    SessionState state;
  };
  Result<Session> Write(const SessionSpace& space, const std::string& id, const Change& change,
                        int64_t now_ms);
  Result<Session> Pin(const SessionSpace& space, const std::string& id, int64_t until_ms,
                      int64_t now_ms);
  // kUnavailable while it is not settled whose one of that id is (EndInDoubt).
  Status Close(const SessionSpace& space, const std::string& id, int64_t now_ms);

  struct Search {
    std::string part;   // of the id; empty: all
    std::string after;  // ids behind this one
    uint32_t limit = 100;
  };
  Result<std::vector<Session>> List(const SessionSpace& space, const Search& search,
                                    int64_t now_ms);  // by id

  // ---- Hand-off to another server and from one (docs/formats.md, "Hand-off"). A hand-off has
  // an id of kHandoffIdBytes that is drawn for it.

  // Gives a session away, unless it was changed since `version`: from now on it lives at `address`.
  // Its tokens stay until Settle. kConflict.
  struct Departure {
    std::string handoff;
    std::string peer;  // name
    uint64_t version = 0;
    std::string address;
  };
  Result<Session> Depart(const SessionSpace& space, const std::string& id,
                         const Departure& departure, int64_t now_ms);
  Result<bool> HasDeparted(const std::string& handoff);
  struct Departed {
    std::string handoff;
    std::string peer;
    std::string tenant;
    std::string id;
    uint64_t epoch = 0;  // of the new owner
  };
  struct OfPeer {
    std::string peer;
    std::string after;  // hand-offs behind this one
    uint32_t limit = 100;
  };
  Result<std::vector<Departed>> Departures(const OfPeer& page);  // that are not settled
  // Whether that session is or was ours, at this epoch or a later one.
  Result<bool> HasBeen(const std::string& tenant, const std::string& id, uint64_t epoch);
  // The receiver has it: what was kept for it goes.
  Status Settle(const std::string& handoff, int64_t now_ms);

  // Keeps a copy of what another server owns, so that it may become ours: until Activate or Discard
  // nobody sees it, and nobody else gets its id. kConflict if there is one of that id already.
  struct Arrival {
    std::string handoff;
    std::string peer;    // name
    std::string origin;  // store_id() of the peer
    SessionSpace space;
    std::string id;
  };
  Status Stage(const Arrival& arrival, const Draft& draft, int64_t now_ms);
  // kNotFound unless it comes from `peer`.
  Result<Session> Activate(const std::string& handoff, const std::string& peer, int64_t now_ms);
  Status Discard(const std::string& handoff);
  Result<std::vector<Arrival>> Arrivals(const OfPeer& page);  // that are not settled
  // Whether that hand-off made a session ours, whatever became of it since; of the last
  // kMostArrived in kArrivedKeptMs.
  static constexpr uint32_t kMostArrived = 100'000;
  static constexpr int64_t kArrivedKeptMs = int64_t{90} * 24 * 3600 * 1000;
  Result<bool> HasArrived(const std::string& handoff);

  // ---- Whose word is taken where the other server gives none.

  struct Doubt {
    std::optional<Arrival> arrival;
    std::optional<Departed> departure;  // of the session as it is here
  };
  Result<Doubt> DoubtOf(const SessionSpace& space, const std::string& id);
  struct Doubts {
    uint64_t arriving = 0;
    uint64_t departed = 0;
  };
  Result<Doubts> CountDoubts();
  // Makes ours what is coming or has gone and is not settled, at an epoch that is nobody else's.
  // One that is ours stays as it is. kConflict if its tokens are no longer here.
  Result<Session> Reclaim(const SessionSpace& space, const std::string& id, int64_t now_ms);
  // Close, also of what is coming; what has gone is not given to anybody any more.
  Status EndInDoubt(const SessionSpace& space, const std::string& id, int64_t now_ms);

  // Tells this database from all others, also from one that takes its place.
  Result<std::string> StoreId();

  // Closes at most so many whose time is over; returns how many.
  Result<uint32_t> Expire(int64_t now_ms, uint32_t at_most);
  // Removes all that the tenant kept under generations other than this one.
  Status Purge(const std::string& tenant, uint64_t generation);
  Result<uint64_t> CountSessions(const SessionSpace& space);
  struct TenantCount {
    std::string tenant;
    uint64_t sessions = 0;  // of kind kSession
  };
  Result<std::vector<TenantCount>> CountByTenant();

  void CheckInvariants();  // O(everything); aborts naming the broken invariant
  const Database& database() const { return database_; }  // for tests: to damage it, to fill it

 private:
  struct Row;
  SessionStore(Database database, std::string secret, const Limits& limits)
      : database_(std::move(database)), secret_(std::move(secret)), limits_(limits) {}

  // Locks, and commits what `function` did unless it returns an error.
  template <typename Function>
  auto InTransaction(Function function) -> decltype(function());
  Status CheckSecret();
  Result<Row> Load(const SessionSpace& space, const std::string& id, int64_t now_ms);
  Result<Session> CreateIn(const SessionSpace& space, const Draft& draft, int64_t now_ms);
  Result<LogPlace> PlaceOf(const SessionSpace& space, const Draft& draft, TokenLogs& logs,
                           int64_t now_ms);
  Result<std::string> SealState(const Row& row, const TokenLogs& logs, const Seal& seal) const;
  Result<Session> WriteIn(const SessionSpace& space, const std::string& id, const Change& change,
                          int64_t now_ms);
  // kUnavailable if one of that id has come, but not yet become ours.
  Status CheckNoArrival(const SessionSpace& space, const std::string& id);
  Result<Arrival> LoadArrival(const std::string& handoff);
  Status CheckPlaceFor(const Arrival& arrival, uint64_t epoch, int64_t now_ms);
  Status Forget(const char* table, const std::string& handoff);
  Status DiscardIn(const Arrival& arrival);
  Result<Session> ActivateIn(const Arrival& arrival, uint64_t more_epochs, int64_t now_ms);
  Status NoteArrived(const std::string& handoff, int64_t now_ms);
  Result<std::optional<Arrival>> ArrivalOf(const SessionSpace& space, const std::string& id);
  Result<std::optional<Departed>> DepartureOf(const SessionSpace& space, const std::string& id);
  Result<Session> ReclaimDeparted(Row row);
  Status RemoveNow(const SessionSpace& space, const std::string& id, int64_t now_ms);
  Status Empty(Row row);
  Status FreeId(const SessionSpace& space, const std::string& id, int64_t now_ms);
  Status Insert(const Row& row, const std::string& sealed);
  Status Update(const Row& row, const std::string& sealed);
  Status MoveTo(const Row& row);
  Status Remove(int64_t serial);
  Result<uint64_t> Count(const SessionSpace& space);
  // Room for one more; what it goes on from stays.
  Status MakeRoom(const SessionSpace& space, const std::string& id);
  Result<bool> DropOldest(const SessionSpace& space, const std::string& but);
  Status AddUsage(const std::string& tenant, int64_t bytes);
  Status CheckUsage(const SessionSpace& space, const std::string& id);

  std::mutex mutex_;
  Database database_;
  const std::string secret_;
  const Limits limits_;
};

}  // namespace quire
