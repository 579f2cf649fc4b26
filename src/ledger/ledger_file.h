// ledger/ledger_file.h -- the file of the ledger, as its one writer sees it.
//
// A SQLite file in WAL mode with the table `request` (ledger_schema.h): others may read it at any
// time, with SQLite's own tools too.
//
// Retention  rows that are older than `days` go, and the oldest while the file is larger than
//            `bytes`. Ids are never used again.
// Numbers    each row has one more than the newest of its tenant and generation: an id would tell a
//            tenant how many requests others make.
// Purge      what is removed is overwritten, and no longer in the write-ahead log either.
//
// Threads  none: its owner guards it.
// Errors   those of database.h. kIo also when the file is not at its path any more: open it anew.
//          kUnavailable also while a reader that stays keeps the write-ahead
//          log from being emptied.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/sqlite/database.h"
#include "ledger/ledger_row.h"

namespace quire {

struct LedgerLimits {
  uint64_t bytes = uint64_t{256} << 20;  // of the file
  uint32_t days = 90;                    // 0: of any age
  // Of the write-ahead log. A reader that stays makes it grow; rows are worth less than a disk that
  // fills up.
  uint64_t log_bytes = uint64_t{64} << 20;
  std::chrono::milliseconds read_time{3000};  // of one question: others wait for their turn
  // Of Ledger: how long rows are tried to be written before they are lost, and how often a purge
  // that does not succeed is tried.
  std::chrono::milliseconds write_time{2000};
  std::chrono::milliseconds purge_every{1000};
};

// What a user says of a request after it has ended.
struct LedgerJudgement {
  std::string label;
  bool has_score = false;
  double score = 0;
};

class LedgerFile {
 public:
  static Result<std::unique_ptr<LedgerFile>> Open(const std::string& path,
                                                  const LedgerLimits& limits);

  Status Append(std::span<const LedgerRow> rows);  // all of them or none

  // Of the newest request of that name and tenant; false if there is none. `generation`: the
  // tenant's.
  struct Name {
    std::string_view tenant;
    uint64_t generation = 0;
    std::string_view request_id;
  };
  Result<bool> Judge(const Name& name, const LedgerJudgement& judgement);

  // Removes the tenants' rows of other generations. After an error some of it may be left.
  using Generations = std::vector<std::pair<std::string, uint64_t>>;
  Status Purge(const Generations& generations);

  // Removes what is beyond the limits, at most some thousand rows at once. Returns how many.
  Result<uint64_t> Retire(int64_t now_ms);

  const Database& database() const { return database_; }  // for tests: to fill it

 private:
  LedgerFile(std::string path, Database database, const LedgerLimits& limits);
  Status CheckPlace() const;
  Status CheckLog() const;
  Result<uint64_t> Bytes() const;
  Result<uint64_t> RetireLargest();

  const std::string path_;
  uint64_t inode_ = 0;  // of the file that is open
  const LedgerLimits limits_;
  Database database_;
};

}  // namespace quire
