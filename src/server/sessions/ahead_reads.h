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
// Bounds   of a session one read of ours is in the engine (a pin has one of its own), and one is
//          wanted, the newest: its context, and the one that comes next.
// Threads  any. Ended: the engine's. Our mutex is taken before the engine's.
// Errors   none: what was appended is kept already, and what is not read now is computed when it is
//          needed. So what the engine refuses is dropped, and so is what an answer was to read
//          that then failed.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
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

  // Reads these one after the other, instead of what was wanted of this session before. `engine` is
  // always the same one.
  void Want(Engine& engine, const std::string& session, std::deque<Text> texts);

  // For an answer to `prompt`: while it lives nothing of the session is read ahead but what is
  // being read and the prompt begins with. The rest of what is wanted is read afterwards; none of
  // it, if the context began `anew` with the prompt.
  class [[nodiscard]] Rest {
   public:
    Rest(std::shared_ptr<AheadReads> reads, std::string session)
        : reads_(std::move(reads)), session_(std::move(session)) {}
    Rest(Rest&&) noexcept = default;
    Rest& operator=(Rest&& other) noexcept {
      std::swap(reads_, other.reads_);
      std::swap(session_, other.session_);
      return *this;
    }
    ~Rest() {
      if (reads_ != nullptr) reads_->EndRest(session_);
    }

   private:
    std::shared_ptr<AheadReads> reads_;  // null: moved from
    std::string session_;
  };
  Rest MakeWay(const std::string& session, const std::vector<TokenId>& prompt, bool anew);

  void Unpin(const std::string& session);  // what is still to be read will pin nothing
  // Its text is gone, or cut: what is being read is stopped. Whether there was anything to read.
  bool Forget(const std::string& session);
  // The same of all sessions of tenants whose generation is another one now: {tenant, generation}.
  void ForgetOthers(const std::vector<std::pair<std::string, uint64_t>>& generations);

 private:
  struct Session {
    Engine* engine = nullptr;
    std::optional<Text> reading;
    RequestId id{};      // of `reading`
    bool stops = false;  // `reading` was cancelled,
    bool again = false;  // and is to be read from where it was, after `rests`
    std::deque<Text> wanted;
    uint32_t rests = 0;
  };
  bool Drop(Session& session);
  void Stop(Session& session, bool again);
  void Ended(const std::string& name);
  void EndRest(const std::string& name);
  // With the mutex held: reads the next that is wanted, if nothing hinders it; forgets the session
  // if there is nothing.
  void GoOn(const std::string& name);
  Status Begin(const std::string& name, Session& session);

  std::mutex mutex_;
  std::unordered_map<std::string, Session> sessions_;  // of which something is read, or rests
};

}  // namespace quire
