// server/sessions/ahead_reads.h -- has the model read what was appended to sessions, ahead of need.
//
//   idle --Want--> reading --it ends--> idle
//                  |     ^
//                 Want   | it ends, more is wanted: that is read next, all of it at once
//                  v     |
//                  reading, more is wanted
//
// A feed may be faster than the model. What comes while a session's text is being read is read when
// that has ended, so that the read goes on from it, whatever came in how many pieces: it finds the
// blocks that are named by then. A read whose text is neither in what is wanted now nor holds it is
// of a context that has begun anew since: it is stopped. What was computed of it stays found.
//
// While an answer is under way nothing is begun. What the answer reads itself, or makes needless,
// is left to it, and wanted again if it fails.
//
// Invariants (CheckInvariants):
//   A1  a session is here while something of it is read, or it rests: what is wanted waits for one.
//   A2  one text is read at a time, and few are wanted: one Want's, and a read that was put off.
//   A3  what waits to be read is wanted still; what is read may not be any more.
//   A4  only while a session rests is anything left to an answer.
//
// Bounds   of a session one read of ours is in the engine (a pin has one of its own), and one is
//          wanted, the newest: its context, and the one that comes next.
// Threads  any. Ended: the engine's. Our mutex is taken before the engine's.
// Errors   none: what was appended is kept already, and what is not read now is computed when it is
//          needed. So what the engine refuses is dropped.
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "server/ledger/ledger_entry.h"

namespace quire {

class AheadReads : public std::enable_shared_from_this<AheadReads> {
 public:
  struct Text {
    GenerationRequest request;  // generates nothing
    LedgerEntryPtr entry = {};  // whose row tells of it; null: none
    uint64_t generation = 0;    // of the tenant's key, under which it was kept
  };
  // Of one Want: the context, and the one that comes next.
  static constexpr size_t kMostTexts = 2;

  AheadReads() = default;
  virtual ~AheadReads() = default;
  AheadReads(const AheadReads&) = delete;
  AheadReads& operator=(const AheadReads&) = delete;

  // Reads these one after the other, instead of what was wanted of this session before. `engine` is
  // always the same one.
  void Want(Engine& engine, const std::string& session, std::deque<Text> texts);

  // For an answer to `prompt`: while it lives nothing of the session is read ahead but what is
  // being read and the prompt begins with. The rest of what is wanted is read afterwards; none of
  // it, if the context began `anew` with the prompt. If it ends without Answered, all of it is.
  class [[nodiscard]] Rest {
   public:
    Rest() = default;  // of no session
    Rest(std::shared_ptr<AheadReads> reads, std::string session)
        : reads_(std::move(reads)), session_(std::move(session)) {}
    Rest(Rest&&) noexcept = default;
    Rest& operator=(Rest&& other) noexcept {
      std::swap(reads_, other.reads_);
      std::swap(session_, other.session_);
      std::swap(answered_, other.answered_);
      return *this;
    }
    ~Rest() {
      if (reads_ != nullptr) reads_->EndRest(session_, answered_);
    }
    void Answered() { answered_ = true; }  // and the session keeps it

   private:
    std::shared_ptr<AheadReads> reads_;  // null: of no session, or moved from
    std::string session_;
    bool answered_ = false;
  };
  // Of a session one answer is under way at a time.
  Rest MakeWay(const std::string& session, const std::vector<TokenId>& prompt, bool anew);

  void Unpin(const std::string& session);  // what is still to be read will pin nothing
  // Its text is gone, or cut: what is being read is stopped. Whether there was anything to read.
  bool Forget(const std::string& session);
  // The same of all sessions of tenants whose generation is another one now: {tenant, generation}.
  void ForgetOthers(const std::vector<std::pair<std::string, uint64_t>>& generations);

  void CheckInvariants() const;  // O(sessions)

 protected:
  // The engine's; tests have something else in their place. With the mutex held.
  virtual Result<RequestId> Submit(GenerationRequest request);
  virtual void Cancel(RequestId id);

 private:
  struct Wanted {
    Text text;
    bool is_due = true;    // nothing newer is wanted; stopped, it is to be read from where it was
    bool is_left = false;  // to the answer that is under way
  };
  struct Session {
    std::list<Wanted> reading;  // one, or none; put off it goes back without any new memory
    RequestId id{};             // of `reading`
    bool stops = false;         // `reading` was cancelled
    std::list<Wanted> wanted;
    bool rests = false;
  };
  bool Drop(Session& session);
  void Stop(Session& session);
  void Ended(const std::string& name);
  void EndRest(const std::string& name, bool answered);
  // With the mutex held: reads the next that is wanted, if nothing hinders it; forgets the session
  // if there is nothing.
  void GoOn(const std::string& name);
  Status Begin(const std::string& name, Session& session);

  mutable std::mutex mutex_;
  Engine* engine_ = nullptr;                           // null: nothing was ever wanted
  std::unordered_map<std::string, Session> sessions_;  // of which something is read, or rests
};

}  // namespace quire
