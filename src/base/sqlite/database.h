// base/sqlite/database.h -- one SQLite file whose commits are on the disk when they return.
//
// WAL with synchronous=FULL: a commit is written to the log and fsync'ed before Commit returns, and
// a file that was cut off at any byte opens with exactly the commits that had returned (and maybe
// the last one that had not). Several processes may share the file: SQLite locks it for each write.
//
// Threads  none: its owner guards it.
// Errors   kUnavailable when the disk is full, time is up (LimitTime) or another process holds the
//          lock too long (nothing was written, trying again helps), kCorrupt for a file that is no
//          database, is damaged, or lacks a table or column that a statement names (another program
//          has dropped it), kIo for the rest. Other broken SQL is a bug and aborts.
#pragma once

#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace quire {

// What a file is and how it is kept.
struct DatabaseOptions {
  const char* name = "database";  // what errors call it; lives as long as the database
  // Space of deleted rows can be given back by `PRAGMA incremental_vacuum`. Of new files alone.
  bool gives_back_space = false;
  int log_bytes = 16 << 20;                   // of the write-ahead log, between checkpoints
  std::chrono::milliseconds lock_wait{5000};  // for another process that holds the lock
};

class Statement {
 public:
  Statement(sqlite3* database, const char* name, const char* sql);

  // The next parameter. What a view points to must live until Step.
  Statement& Int(int64_t value);
  Statement& Real(double value);
  Statement& Text(std::string_view value);
  Statement& Blob(std::string_view value);
  Statement& Null();

  Result<bool> Step();  // true: there is a row
  Status Run();         // to its end; rows are passed over
  Statement& Reset();   // to be bound and run again

  int64_t GetInt(int column) const;
  double GetReal(int column) const;
  bool IsNull(int column) const;
  std::string GetText(int column) const;  // also of a blob

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  sqlite3* database_;
  const char* name_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int failure_ = 0;     // why there is none
  int parameters_ = 0;  // bound so far
};

class Database {
 public:
  // Creates the file (mode 0600) if there is none.
  static Result<Database> Open(const std::string& path, const DatabaseOptions& options);
  // To be read alone, beside whoever writes. kIo if there is no such file.
  static Result<Database> OpenToRead(const std::string& path, const char* name);

  Statement Prepare(const char* sql) const { return Statement(database_.get(), name_, sql); }
  Status Execute(const char* sql) const;
  // Moves all of the write-ahead log into the file and cuts it to nothing, so that what was removed
  // is in neither. kUnavailable, at once, while somebody reads.
  Status EmptyLog() const;
  int64_t last_insert() const { return sqlite3_last_insert_rowid(database_.get()); }
  int64_t changes() const { return sqlite3_changes64(database_.get()); }
  void RollBack() const;  // for Transaction
  // From now on what runs for longer than this ends with kUnavailable, until the next call.
  void LimitTime(std::chrono::milliseconds most);
  // Stops what runs after about this many pages of the file: a disk that is full, for tests. 0: no
  // bound.
  void LimitPages(uint32_t pages) const;

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close(database); }
  };
  Database(sqlite3* database, const DatabaseOptions& options)
      : name_(options.name), lock_wait_(options.lock_wait), database_(database) {}
  void WaitForLock(std::chrono::milliseconds most) const;

  const char* name_;
  std::chrono::milliseconds lock_wait_;
  std::unique_ptr<std::chrono::steady_clock::time_point> deadline_;  // where SQLite looks for it
  std::unique_ptr<sqlite3, Close> database_;
};

// All or nothing: what is not committed when it dies has not happened.
class Transaction {
 public:
  static Result<Transaction> Begin(const Database& database);  // takes the lock for writing
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Status Commit();

 private:
  explicit Transaction(const Database& database) : database_(&database) {}
  const Database* database_;  // null: over
};

}  // namespace quire
