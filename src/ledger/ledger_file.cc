#include "ledger/ledger_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <type_traits>
#include <utility>

#include "ledger/ledger_columns.h"
#include "ledger/ledger_schema.h"

namespace quire {
namespace {

constexpr int kLogBytes = 4 << 20;
constexpr int64_t kRetiredAtOnce = 4096;
constexpr int kRetireRounds = 64;
constexpr int64_t kMsPerDay = 24 * 3600 * 1000;

std::string InsertSql() {
  std::string names;
  std::string places;
  const LedgerRow row;
  VisitColumns(row, [&](const char* name, const auto&) {
    if (std::string_view(name) == "id") return;
    names.append(names.empty() ? "" : ",").append(name);
    places.append(places.empty() ? "?" : ",?");
  });
  return "INSERT INTO request (" + names + ",number) VALUES (" + places +
         ",(SELECT ifnull(max(number), 0) + 1 FROM request WHERE tenant = ? AND generation = ?))";
}

void Bind(Statement& statement, const LedgerRow& row) {
  VisitColumns(row, [&](const char* name, const auto& field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    if (std::string_view(name) == "id") return;
    if constexpr (std::is_same_v<Field, std::string>) {
      statement.Text(field);
    } else if constexpr (std::is_same_v<Field, LedgerOutcome>) {
      statement.Text(LedgerOutcomeName(field));
    } else if constexpr (std::is_floating_point_v<Field>) {
      statement.Real(field);
    } else {
      statement.Int(static_cast<int64_t>(field));
    }
  });
  statement.Text(row.tenant).Int(static_cast<int64_t>(row.generation));  // whose number is next
}

}  // namespace

Result<std::unique_ptr<LedgerFile>> LedgerFile::Open(const std::string& path,
                                                     const LedgerLimits& limits) {
  QUIRE_TRY(Database database,
            Database::Open(
                path, {.name = kLedgerName, .gives_back_space = true, .log_bytes = kLogBytes}));
  if (const Status made = MigrateLedger(database); !made) return std::unexpected(made.error());
  return std::unique_ptr<LedgerFile>(new LedgerFile(path, std::move(database), limits));
}

LedgerFile::LedgerFile(std::string path, Database database, const LedgerLimits& limits)
    : path_(std::move(path)), limits_(limits), database_(std::move(database)) {
  struct stat file{};
  if (stat(path_.c_str(), &file) == 0) inode_ = file.st_ino;
}

// SQLite would go on writing to a file that nobody finds any more.
Status LedgerFile::CheckPlace() const {
  struct stat file{};
  if (stat(path_.c_str(), &file) == 0 && file.st_ino == inode_) return {};
  return Refuse(ErrorCode::kIo, fmt::format("'{}' was deleted or replaced", path_));
}

Status LedgerFile::CheckLog() const {
  const std::string log_path = path_ + "-wal";
  struct stat log{};
  if (stat(log_path.c_str(), &log) != 0 ||
      static_cast<uint64_t>(log.st_size) <= limits_.log_bytes) {
    return {};
  }
  if (database_.EmptyLog()) return {};  // whoever kept it from being emptied has gone
  return Refuse(ErrorCode::kUnavailable,
                fmt::format("'{}' has {} bytes, because somebody has been reading the ledger for "
                            "long; end that program",
                            log_path, log.st_size));
}

Status LedgerFile::Append(std::span<const LedgerRow> rows) {
  if (const Status there = CheckPlace(); !there) return there;
  if (const Status log = CheckLog(); !log) return log;
  static const std::string sql = InsertSql();
  QUIRE_TRY(Transaction transaction, Transaction::Begin(database_));
  Statement insert = database_.Prepare(sql.c_str());
  for (const LedgerRow& row : rows) {
    Bind(insert.Reset(), row);
    if (const Status done = insert.Run(); !done) return done;
  }
  return transaction.Commit();
}

Result<bool> LedgerFile::Judge(const Name& name, const LedgerJudgement& judgement) {
  Statement update = database_.Prepare(
      "UPDATE request SET label = ?, score = ? WHERE id = (SELECT max(id) FROM request WHERE "
      "request_id = ? AND tenant = ? AND generation = ?)");
  update.Text(judgement.label);
  judgement.has_score ? update.Real(judgement.score) : update.Null();
  update.Text(name.request_id).Text(name.tenant).Int(static_cast<int64_t>(name.generation));
  if (const Status done = update.Run(); !done) return std::unexpected(done.error());
  return database_.changes() > 0;
}

Status LedgerFile::Purge(const Generations& generations) {
  if (const Status there = CheckPlace(); !there) return there;
  for (const auto& [tenant, generation] : generations) {
    Statement remove =
        database_.Prepare("DELETE FROM request WHERE tenant = ? AND generation <> ?");
    const Status removed = remove.Text(tenant).Int(static_cast<int64_t>(generation)).Run();
    if (!removed) return removed;
  }
  return database_.EmptyLog();
}

Result<uint64_t> LedgerFile::Bytes() const {
  Statement query = database_.Prepare(
      "SELECT (SELECT page_count FROM pragma_page_count) - (SELECT freelist_count FROM "
      "pragma_freelist_count), (SELECT page_size FROM pragma_page_size)");
  QUIRE_TRY([[maybe_unused]] const bool row, query.Step());
  return static_cast<uint64_t>(query.GetInt(0)) * static_cast<uint64_t>(query.GetInt(1));
}

Result<uint64_t> LedgerFile::RetireLargest() {
  uint64_t retired = 0;
  for (int round = 0; round < kRetireRounds; ++round) {
    QUIRE_TRY(const uint64_t bytes, Bytes());
    if (bytes <= limits_.bytes) break;
    // A fraction of what there is, so that a small file is not emptied.
    Statement remove = database_.Prepare(
        "DELETE FROM request WHERE id IN (SELECT id FROM request ORDER BY id LIMIT max(16, min(?, "
        "(SELECT count(*) / 32 FROM request))))");
    const Status done = remove.Int(kRetiredAtOnce).Run();
    if (!done) return std::unexpected(done.error());
    if (database_.changes() == 0) break;
    retired += static_cast<uint64_t>(database_.changes());
  }
  return retired;
}

Result<uint64_t> LedgerFile::Retire(int64_t now_ms) {
  uint64_t retired = 0;
  if (limits_.days > 0) {
    Statement remove = database_.Prepare(
        "DELETE FROM request WHERE id IN (SELECT id FROM request WHERE started_ms < ? LIMIT ?)");
    remove.Int(now_ms - int64_t{limits_.days} * kMsPerDay).Int(kRetiredAtOnce);
    if (const Status done = remove.Run(); !done) return std::unexpected(done.error());
    retired += static_cast<uint64_t>(database_.changes());
  }
  QUIRE_TRY(const uint64_t largest, RetireLargest());
  retired += largest;
  if (retired == 0) return retired;
  const Status vacuumed = database_.Execute("PRAGMA incremental_vacuum");
  if (!vacuumed) return std::unexpected(vacuumed.error());
  return retired;
}

}  // namespace quire
