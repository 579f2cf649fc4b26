// session/token_log.h -- rows of token ids that only grow, and are shared by all that began alike.
//
//   log 1  0 ------------------ 900          a session at (log 1, 900)
//   log 2          400 ---- 650              one that was forked at 400 and went on differently
//                  base     tokens
//
// A log holds the ids [base, tokens) itself and looks up what is before in its parent. Whoever
// stands at the end of a log appends to it in place; whoever stands before the end gets a log of
// its own that begins there. So a fork is one row, and nothing is ever copied but by a chain that
// got too deep.
//
// Invariants, proved by SessionStore::CheckInvariants:
//   L1  the runs of a log cover [base, tokens) without gap or overlap.
//   L2  a place that somebody stands at, or another log begins at, is in (base, tokens]; in a log
//       without parent in [0, tokens].
//   L3  a log ends where the furthest of these is; one that nobody needs is gone.
//   L4  a chain is at most kMaxDepth logs long.
//
// Every run is sealed with the log's own random id and its place; so is the link to the parent.
//
// Threads  none. All calls are inside the caller's transaction.
// Errors   those of the database; kCorrupt for rows that do not open or do not fit together.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/sqlite/database.h"
#include "base/token_id.h"
#include "session/seal.h"

namespace quire {

enum class LogId : int64_t {};
inline constexpr LogId kNoLog{0};

// The first `tokens` ids that a log spells.
struct LogPlace {
  LogId log = kNoLog;
  uint32_t tokens = 0;
};

class TokenLogs {
 public:
  static constexpr uint32_t kMaxDepth = 32;
  static constexpr uint32_t kRunTokens = 4096;  // at most in one row

  struct Owner {
    const std::string& tenant;
    uint64_t generation = 0;
    const Seal& seal;
  };
  TokenLogs(const Database& database, const Owner& owner) : database_(database), owner_(owner) {}

  Result<LogId> Create();
  // Where `place` with `tokens` behind it is. What else stands in the log stays as it was.
  Result<LogPlace> Append(LogPlace place, const std::vector<TokenId>& tokens);
  // The same place, as high up in the chain as it is.
  Result<LogPlace> Settle(LogPlace place) const;
  Result<std::vector<TokenId>> Read(LogPlace place) const;
  // Gives up what nobody needs any more of the log and those before it: to be called when somebody
  // has left it.
  Status Trim(LogId log);
  Result<std::string> UidOf(LogId log) const;
  // Ids that these calls have put into rows, less those that they took out.
  int64_t net_tokens() const { return net_tokens_; }

 private:
  struct Row {
    std::string uid;
    LogId parent = kNoLog;
    uint32_t base = 0;
    uint32_t depth = 0;
    uint32_t tokens = 0;
  };
  Result<Row> Load(LogId log) const;
  Result<LogId> Insert(LogPlace parent, uint32_t depth);
  Result<LogPlace> Branch(LogPlace place);
  Status AddRuns(LogId log, const Row& row, const std::vector<TokenId>& tokens);
  Status AddRun(LogId log, const Row& row, uint32_t first, std::span<const TokenId> tokens);
  Status ReadRuns(LogId log, uint32_t end, std::vector<TokenId>& out) const;
  Result<std::vector<TokenId>> OpenRun(const Row& row, uint32_t first, uint32_t count,
                                       const std::string& sealed) const;
  Status CutRuns(LogId log, const Row& row, uint32_t end);
  Status SetTokens(LogId log, uint32_t tokens);
  // The furthest that anybody stands in the log; -1: nobody does.
  Result<int64_t> Needed(LogId log) const;

  const Database& database_;
  const Owner owner_;
  int64_t net_tokens_ = 0;
};

}  // namespace quire
