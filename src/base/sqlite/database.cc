#include "base/sqlite/database.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace quire {
namespace {

Error ErrorOf(sqlite3* database, const char* name, int code) {
  const char* what = database == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(database);
  switch (code & 0xff) {
    case SQLITE_FULL:
      return {ErrorCode::kUnavailable,
              fmt::format("the disk or the limit of the {} is full; nothing was written: free "
                          "space and try again",
                          name),
              {}};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {ErrorCode::kUnavailable,
              fmt::format("another process holds the {}; nothing was written: try again", name),
              {}};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {ErrorCode::kCorrupt,
              fmt::format("the {} is damaged ({}); restore it from a backup or move it away", name,
                          what),
              {}};
    case SQLITE_INTERRUPT:
      return {ErrorCode::kUnavailable,
              fmt::format("this takes too long of the {}: ask for less of it at once, or when "
                          "less is going on",
                          name),
              {}};
    case SQLITE_NOMEM:
      return {ErrorCode::kUnavailable, fmt::format("no memory for the {}; try again", name), {}};
    default:
      return {ErrorCode::kIo, fmt::format("the {}: {}", name, what), {}};
  }
}

// Another program may have dropped a table while we run: that is no bug of ours.
bool IsOfOtherSchema(sqlite3* database) {
  const std::string_view what = sqlite3_errmsg(database);
  return what.starts_with("no such table") || what.starts_with("no such column") ||
         what.contains("has no column named");
}

}  // namespace

Statement::Statement(sqlite3* database, const char* name, const char* sql)
    : database_(database), name_(name) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(database, sql, -1, &statement, nullptr);
  // A schema that another process has changed meanwhile, or no memory, shows when it runs.
  failure_ = code == SQLITE_ERROR && IsOfOtherSchema(database) ? SQLITE_CORRUPT : code;
  QUIRE_CHECK(failure_ != SQLITE_ERROR, "broken SQL");
  statement_.reset(statement);
}

Statement& Statement::Int(int64_t value) {
  if (statement_) sqlite3_bind_int64(statement_.get(), ++parameters_, value);
  return *this;
}

Statement& Statement::Real(double value) {
  if (statement_) sqlite3_bind_double(statement_.get(), ++parameters_, value);
  return *this;
}

Statement& Statement::Text(std::string_view value) {
  if (statement_) {
    sqlite3_bind_text64(statement_.get(), ++parameters_,
                        value.data() == nullptr ? "" : value.data(), value.size(), SQLITE_STATIC,
                        SQLITE_UTF8);
  }
  return *this;
}

Statement& Statement::Blob(std::string_view value) {
  if (statement_) {
    sqlite3_bind_blob64(statement_.get(), ++parameters_,
                        value.data() == nullptr ? "" : value.data(), value.size(), SQLITE_STATIC);
  }
  return *this;
}

Statement& Statement::Null() {
  if (statement_) sqlite3_bind_null(statement_.get(), ++parameters_);
  return *this;
}

Result<bool> Statement::Step() {
  if (!statement_) return std::unexpected(ErrorOf(database_, name_, failure_));
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return std::unexpected(ErrorOf(database_, name_, code));
}

Statement& Statement::Reset() {
  if (statement_) sqlite3_reset(statement_.get());
  parameters_ = 0;
  return *this;
}

Status Statement::Run() {
  for (;;) {
    QUIRE_TRY(const bool row, Step());
    if (!row) return {};
  }
}

int64_t Statement::GetInt(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

double Statement::GetReal(int column) const {
  return sqlite3_column_double(statement_.get(), column);
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

std::string Statement::GetText(int column) const {
  const void* bytes = sqlite3_column_blob(statement_.get(), column);
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column));
  return bytes == nullptr ? std::string() : std::string(static_cast<const char*>(bytes), size);
}

Result<Database> Database::Open(const std::string& path, const DatabaseOptions& options) {
  // SQLite would create it readable for all.
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return Refuse(ErrorCode::kIo, fmt::format("cannot open '{}': {}", path, std::strerror(errno)),
                  "data");
  }
  close(fd);
  sqlite3* raw = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  Database database(raw, options);
  if (code != SQLITE_OK) return std::unexpected(ErrorOf(raw, options.name, code));
  sqlite3_extended_result_codes(raw, 1);
  database.WaitForLock(database.lock_wait_);
  if (options.gives_back_space) {
    const Status set = database.Execute("PRAGMA auto_vacuum=INCREMENTAL");
    if (!set) return std::unexpected(set.error());
  }
  const std::string log_limit = fmt::format("PRAGMA journal_size_limit={}", options.log_bytes);
  for (const char* setting :
       {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=OFF",
        "PRAGMA secure_delete=ON", "PRAGMA temp_store=MEMORY", log_limit.c_str(),
        "PRAGMA trusted_schema=OFF"}) {
    if (const Status set = database.Execute(setting); !set) return std::unexpected(set.error());
  }
  return database;
}

Result<Database> Database::OpenToRead(const std::string& path, const char* name) {
  sqlite3* raw = nullptr;
  const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  Database database(raw, {.name = name});
  if (code != SQLITE_OK) {
    return Refuse(ErrorCode::kIo, fmt::format("cannot read '{}': {}", path, sqlite3_errstr(code)),
                  "data");
  }
  sqlite3_extended_result_codes(raw, 1);
  database.WaitForLock(database.lock_wait_);
  for (const char* setting : {"PRAGMA temp_store=MEMORY", "PRAGMA trusted_schema=OFF"}) {
    if (const Status set = database.Execute(setting); !set) return std::unexpected(set.error());
  }
  return database;
}

void Database::WaitForLock(std::chrono::milliseconds most) const {
  sqlite3_busy_timeout(database_.get(), static_cast<int>(most.count()));
}

Status Database::Execute(const char* sql) const {
  const int code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return {};
  QUIRE_CHECK((code & 0xff) != SQLITE_ERROR, "broken SQL");
  return std::unexpected(ErrorOf(database_.get(), name_, code));
}

Status Database::EmptyLog() const {
  Statement checkpoint = Prepare("PRAGMA wal_checkpoint(TRUNCATE)");
  WaitForLock(std::chrono::milliseconds(0));
  const auto row = checkpoint.Step();
  WaitForLock(lock_wait_);
  if (!row) return std::unexpected(row.error());
  if (checkpoint.GetInt(0) == 0) return {};
  return Refuse(ErrorCode::kUnavailable,
                fmt::format("{}: its write-ahead log is being read by another program", name_));
}

void Database::RollBack() const {
  sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Database::LimitTime(std::chrono::milliseconds most) {
  constexpr int kStepsBetweenLooks = 2000;  // of SQLite's machine: some 100 us
  using Clock = std::chrono::steady_clock;
  if (deadline_ == nullptr) deadline_ = std::make_unique<Clock::time_point>();
  *deadline_ = Clock::now() + most;
  const auto is_over = [](void* deadline) {
    return static_cast<int>(Clock::now() > *static_cast<const Clock::time_point*>(deadline));
  };
  sqlite3_progress_handler(database_.get(), kStepsBetweenLooks, is_over, deadline_.get());
}

void Database::LimitPages(uint32_t pages) const {
  constexpr uint32_t kMostPages = 0xfffffffe;
  const std::string sql = fmt::format("PRAGMA max_page_count={}", pages == 0 ? kMostPages : pages);
  QUIRE_CHECK(Execute(sql.c_str()).has_value());
}

Result<Transaction> Transaction::Begin(const Database& database) {
  const Status begun = database.Execute("BEGIN IMMEDIATE");
  if (!begun) return std::unexpected(begun.error());
  return Transaction(database);
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
  // An error may have rolled it back already; then there is nothing left to do, and SQLite says so.
  if (database_ != nullptr) database_->RollBack();
}

Status Transaction::Commit() {
  const Status done = database_->Execute("COMMIT");
  if (done) database_ = nullptr;
  return done;
}

}  // namespace quire
