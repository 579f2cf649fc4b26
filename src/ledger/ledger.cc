#include "ledger/ledger.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <new>
#include <utility>

#include "ledger/ledger_schema.h"

namespace quire {
namespace {

using std::chrono::milliseconds;

// Rows of so long are written in one transaction: a busy server syncs its disk some times a second.
constexpr auto kGather = milliseconds(50);
constexpr auto kBetweenTries = milliseconds(200);
constexpr auto kMostWait = milliseconds(3000);
constexpr auto kRetireEvery = std::chrono::seconds(60);

int64_t NowMs() {
  return std::chrono::duration_cast<milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Ledger::Ledger(std::string path, const LedgerLimits& limits,
               std::function<void(std::string_view)> log)
    : path_(std::move(path)), limits_(limits), log_(std::move(log)) {
  queue_.reserve(kMostQueued);
  writing_.reserve(kMostQueued);
  {
    const std::lock_guard lock(file_mutex_);
    const auto opened = File();
    Note(opened ? Status() : std::unexpected(opened.error()));
  }
  thread_ = std::thread([this] { ThreadMain(); });
}

Ledger::~Ledger() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_one();
  thread_.join();
}

void Ledger::Add(LedgerRow row) noexcept {
  {
    const std::lock_guard lock(mutex_);
    // Those that are being written are not in the queue, but take their memory.
    if (added_ - done_ >= kMostQueued) return CountLost(row.tenant, &Lost::queue_full);
    queue_.push_back(std::move(row));  // there is room: it was reserved
    ++added_;
  }
  work_.notify_one();
}

void Ledger::Lose() noexcept {
  const std::lock_guard lock(mutex_);
  ++nameless_;
}

// With the mutex held.
void Ledger::CountLost(const std::string& tenant, uint64_t Lost::* why) noexcept {
  try {
    ++(counts_.lost[tenant].*why);
  } catch (const std::bad_alloc&) {
    ++nameless_;
  }
}

void Ledger::Settle() {
  std::unique_lock lock(mutex_);
  const uint64_t wanted = added_;
  hurry_ = true;
  work_.notify_one();
  settled_.wait_for(lock, kMostWait, [&] { return done_ >= wanted; });
}

Result<bool> Ledger::Judge(const LedgerFile::Name& name, const LedgerJudgement& judgement) {
  Settle();
  const std::lock_guard lock(file_mutex_);
  QUIRE_TRY(LedgerFile* const file, File());
  return file->Judge(name, judgement);
}

void Ledger::Purge(LedgerFile::Generations generations) {
  {
    const std::lock_guard lock(mutex_);
    news_ = std::move(generations);
  }
  work_.notify_one();
}

template <typename Function>
auto Ledger::WithReader(Function function) -> decltype(function(std::declval<const Database&>())) {
  const std::lock_guard lock(reader_mutex_);
  if (is_new_.exchange(false)) reader_.reset();
  if (!reader_) {
    QUIRE_TRY(Database opened, Database::OpenToRead(path_, kLedgerName));
    if (const Status known = CheckLedger(opened); !known) return std::unexpected(known.error());
    reader_.emplace(std::move(opened));
  }
  reader_->LimitTime(limits_.read_time);
  auto answer = function(*reader_);
  if (!answer) reader_.reset();  // it may be another file by now
  return answer;
}

Result<LedgerPage> Ledger::Read(const LedgerWish& wish) {
  return WithReader([&](const Database& database) { return ReadLedger(database, wish); });
}

Result<std::vector<LedgerSum>> Ledger::Sum(const LedgerSumWish& wish) {
  return WithReader([&](const Database& database) { return SumLedger(database, wish); });
}

Result<std::vector<ArmSample>> Ledger::Arms(const ArmWish& wish) {
  return WithReader([&](const Database& database) { return ReadArms(database, wish); });
}

Ledger::Counts Ledger::counts() const {
  const std::lock_guard lock(mutex_);
  Counts counts = counts_;
  counts.queued = added_ - done_;
  if (nameless_ > 0) counts.lost[""].queue_full += nameless_;
  return counts;
}

uint64_t Ledger::LostOf(const std::string& tenant) const {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.lost.find(tenant);
  return found == counts_.lost.end() ? 0 : found->second.rows();
}

// False to stop.
bool Ledger::WaitForWork(std::unique_lock<std::mutex>& lock) {
  const auto has_work = [this] { return stopping_ || !queue_.empty() || news_; };
  if (owes_purge_) {
    work_.wait_for(lock, limits_.purge_every, has_work);
  } else {
    work_.wait_for(lock, kRetireEvery, has_work);
  }
  if (!queue_.empty()) work_.wait_for(lock, kGather, [this] { return stopping_ || hurry_; });
  return !stopping_ || !queue_.empty();
}

void Ledger::ThreadMain() {
  std::unique_lock lock(mutex_);
  while (WaitForWork(lock)) Round(lock);
}

// Both vectors have room for all, so only SQLite and what is logged can want memory.
void Ledger::Round(std::unique_lock<std::mutex>& lock) noexcept {
  writing_.swap(queue_);
  if (news_) {
    generations_ = *std::exchange(news_, std::nullopt);
    owes_purge_ = true;
    told_purge_ = false;
  }
  hurry_ = false;
  lock.unlock();
  const size_t taken = writing_.size();
  bool written = false;
  try {
    DropPurged();
    if (owes_purge_) owes_purge_ = !WithFile(&Ledger::PurgeNow);
    written = WritePatiently().has_value();
  } catch (const std::exception&) {
    // Not even an error could be made, or told.
  }
  lock.lock();
  done_ += taken;
  if (written) counts_.written += writing_.size();
  if (!written) {
    for (const LedgerRow& row : writing_) CountLost(row.tenant, &Lost::write_failed);
  }
  writing_.clear();
  settled_.notify_all();
}

// Whatever goes wrong, want of memory too, the file is opened anew the next time.
Status Ledger::WithFile(Status (Ledger::*work)()) {
  const std::lock_guard lock(file_mutex_);
  Status done;
  try {
    done = (this->*work)();
  } catch (const std::bad_alloc&) {
    done = Refuse(ErrorCode::kUnavailable, "no memory for the ledger; it is tried again");
  }
  if (!done) file_.reset();
  return done;
}

// A request that began before the purge ends after it.
void Ledger::DropPurged() {
  std::erase_if(writing_, [this](const LedgerRow& row) {
    return std::ranges::any_of(generations_, [&row](const auto& one) {
      return one.first == row.tenant && row.generation < one.second;
    });
  });
}

// Once it is known that writing fails, nothing is gained by waiting with each row.
Status Ledger::WritePatiently() {
  const auto give_up = std::chrono::steady_clock::now() + limits_.write_time;
  Status written = WithFile(&Ledger::Write);
  while (!written && !failing_ && std::chrono::steady_clock::now() < give_up) {
    std::unique_lock lock(mutex_);
    if (work_.wait_for(lock, kBetweenTries, [this] { return stopping_; })) break;
    lock.unlock();
    written = WithFile(&Ledger::Write);
  }
  Note(written);
  return written;
}

Status Ledger::Write() {
  QUIRE_TRY(LedgerFile* const file, File());
  if (!writing_.empty()) {
    if (const Status done = file->Append(writing_); !done) return done;
  }
  // What is too old stays for now; the rows are written.
  const auto retired = file->Retire(NowMs());
  if (!retired) file_.reset();
  if (!retired && log_) log_("ledger: " + retired.error().message);
  return {};
}

void Ledger::Note(const Status& written) {
  if (!written && !failing_ && log_) {
    log_("ledger: " + written.error().message + "; requests are served, their rows are lost");
  }
  if (written && failing_ && log_) log_("ledger: rows are written again");
  failing_ = !written;
}

Status Ledger::PurgeNow() {
  const auto file = File();
  const Status purged = file ? (*file)->Purge(generations_) : std::unexpected(file.error());
  if (!purged && !std::exchange(told_purge_, true) && log_) {
    log_("ledger: rows of purged tenants are still there, it is tried again: " +
         purged.error().message);
  }
  return purged;
}

Result<LedgerFile*> Ledger::File() {
  if (file_ == nullptr) {
    QUIRE_TRY(file_, LedgerFile::Open(path_, limits_));
    is_new_ = true;
  }
  return file_.get();
}

}  // namespace quire
