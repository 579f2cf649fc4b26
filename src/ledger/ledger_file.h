// ledger/ledger_file.h -- the file of the ledger, as its one writer sees it.
//
// A SQLite file in WAL mode with the table `request` (ledger_schema.h): others may read it at any
// time, with SQLite's own tools too.
//
// Retention  rows that are older than `days` go, and the oldest while the file is larger than
//            `bytes`. Ids are never used again.
//
// Threads  none: its owner guards it.
// Errors   those of database.h. kIo also when the file is not at its path any more: open it anew.
//          kUnavailable also while a reader that stays keeps the write-ahead
//          log from being emptied.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "base/sqlite/database.h"
#include "ledger/ledger_row.h"

namespace quire {

struct LedgerLimits {
  uint64_t bytes = uint64_t{256} << 20;  // of the file
  uint32_t days = 90;                    // 0: of any age
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

  // Removes the tenant's rows of other generations.
  Status Purge(const std::string& tenant, uint64_t generation);

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
