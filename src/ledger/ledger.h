// ledger/ledger.h -- the ledger of a server: rows are handed in, written beside, and read.
//
//   Add -> queue -> (a moment later, together) file
//
// Whoever adds a row waits for nothing. When the file cannot be written -- the disk is full or
// read-only, another program holds it, there is no memory -- rows are tried again for a moment, and
// then lost: that is counted, and nobody is held up. The file is opened when there is a row to
// write, and again after a failure.
//
// Threads  any. The destructor writes what is queued, if the file lets it.
// Bounds   kMostQueued rows wait; one more is lost.
// Errors   of reading: those of database.h, kIo while there is no file, kUnavailable for what takes
//          longer than LedgerLimits::read_time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/result.h"
#include "ledger/arm_samples.h"
#include "ledger/ledger_file.h"
#include "ledger/ledger_query.h"
#include "ledger/ledger_row.h"
#include "ledger/ledger_sums.h"

namespace quire {

class Ledger {
 public:
  static constexpr size_t kMostQueued = 4096;

  // `log` hears when writing begins to fail, and when it works again.
  Ledger(std::string path, const LedgerLimits& limits, std::function<void(std::string_view)> log);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Its id is given when it is written. Takes no memory but for rows of a tenant that are lost for
  // the first time.
  void Add(LedgerRow row) noexcept;
  void Lose() noexcept;  // a row that could not even be made

  // Waits until all that was added before is written or lost, but not for long.
  void Settle();

  // LedgerFile::Judge, of what was added before. kUnavailable if the file cannot be written.
  Result<bool> Judge(const LedgerFile::Name& name, const LedgerJudgement& judgement);

  // LedgerFile::Purge, soon, and again until it is done. From then on rows of older generations
  // that come late are not written.
  void Purge(LedgerFile::Generations generations);

  Result<LedgerPage> Read(const LedgerWish& wish);
  Result<std::vector<LedgerSum>> Sum(const LedgerSumWish& wish);
  Result<std::vector<ArmSample>> Arms(const ArmWish& wish);

  // Rows that were lost, by tenant.
  struct Lost {
    uint64_t queue_full = 0;
    uint64_t write_failed = 0;
    uint64_t rows() const { return queue_full + write_failed; }
  };
  struct Counts {
    uint64_t written = 0;
    uint64_t queued = 0;
    std::map<std::string, Lost> lost;  // under "": nobody knows whose
  };
  Counts counts() const;
  uint64_t LostOf(const std::string& tenant) const;

 private:
  void ThreadMain();
  void CountLost(const std::string& tenant, uint64_t Lost::* why) noexcept;
  bool WaitForWork(std::unique_lock<std::mutex>& lock);
  void Round(std::unique_lock<std::mutex>& lock) noexcept;
  void DropPurged();
  Status WithFile(Status (Ledger::*work)());
  Status Write();  // with file_mutex_ held
  Status WritePatiently();
  void Note(const Status& written);
  Status PurgeNow();  // with file_mutex_ held
  template <typename Function>
  auto WithReader(Function function) -> decltype(function(std::declval<const Database&>()));
  Result<LedgerFile*> File();  // with file_mutex_ held

  const std::string path_;
  const LedgerLimits limits_;
  const std::function<void(std::string_view)> log_;

  std::mutex file_mutex_;
  std::unique_ptr<LedgerFile> file_;  // null: not opened, or failed

  std::atomic<bool> is_new_ = false;  // opened since somebody has read
  std::mutex reader_mutex_;
  std::optional<Database> reader_;

  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable settled_;
  // All below are guarded by mutex_.
  std::vector<LedgerRow> queue_;
  std::optional<LedgerFile::Generations> news_;  // to be purged
  uint64_t added_ = 0;                           // to the queue, in all
  uint64_t done_ = 0;                            // of those, written or lost
  bool hurry_ = false;                           // somebody waits for them
  bool stopping_ = false;
  Counts counts_;
  uint64_t nameless_ = 0;  // lost for want of memory

  // Of the thread alone:
  std::vector<LedgerRow> writing_;
  LedgerFile::Generations generations_;
  bool owes_purge_ = false;
  bool told_purge_ = false;  // that it fails
  bool failing_ = false;     // the last attempt was no good
  std::thread thread_;
};

}  // namespace quire
