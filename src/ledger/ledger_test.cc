#include "ledger/ledger.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <thread>

#include "ledger/ledger_csv.h"
#include "ledger/ledger_schema.h"
#include "ledger/ledger_sums.h"

namespace quire {
namespace {

class LedgerTest : public ::testing::Test {
 protected:
  LedgerTest() {
    std::string name = "/tmp/quire_ledger_XXXXXX";
    folder_ = mkdtemp(name.data());
    path_ = folder_ + "/ledger.db";
  }
  ~LedgerTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<LedgerFile> OpenFile(const LedgerLimits& limits = {}) {
    auto file = LedgerFile::Open(path_, limits);
    EXPECT_TRUE(file) << file.error().message;
    return std::move(*file);
  }
  static LedgerPage ReadAll(const LedgerFile& file, const LedgerWish& wish) {
    auto page = ReadLedger(file.database(), wish);
    EXPECT_TRUE(page) << page.error().message;
    return *std::move(page);
  }

  std::string folder_;
  std::string path_;
};

LedgerRow Row(const std::string& id, const std::string& tenant = "acme") {
  LedgerRow row;
  row.request_id = id;
  row.tenant = tenant;
  row.started_ms = 1'700'000'000'000;
  row.api = "chat/completions";
  return row;
}

LedgerRow FullRow() {
  LedgerRow row = Row("req-1");
  row.generation = 7;
  row.model = "m";
  row.numerics = "1/q8/full";
  row.route = "<b>support</b>";
  row.version = "v2, \"final\"";
  row.retry_of = "req-0";
  row.outcome = LedgerOutcome::kRefused;
  row.verdict = "overloaded";
  row.status = 429;
  row.stream = true;
  row.choices = 3;
  row.tokens = {100, 32, 16, 8, 44, 5};
  row.ms = {1.5, 2.5, 3.5, 4.5, 5.5, 6.5};
  row.kv = {9, 9000, 12000, 1.25e6};
  row.preemptions = 2;
  for (size_t i = 0; i < row.missed.size(); ++i) row.missed[i] = i + 1;
  row.evicted_ago_ms = 123.25;
  row.forecast_wait_ms = 0.5;
  row.arms = "a=control,b=treatment";
  return row;
}

TEST_F(LedgerTest, ARowComesBackAsItWas) {
  const auto file = OpenFile();
  const LedgerRow wrote = FullRow();
  ASSERT_TRUE(file->Append(std::span(&wrote, 1)));
  const LedgerPage page = ReadAll(*file, {});
  ASSERT_EQ(page.rows.size(), 1u);
  std::string before;
  std::string after;
  LedgerRow read = page.rows[0];
  EXPECT_EQ(read.id, 1);
  read.id = 0;
  AppendCsv(wrote, before);
  AppendCsv(read, after);
  EXPECT_EQ(before, after);
  EXPECT_EQ(read.missed_blocks(), 55u);
  EXPECT_EQ(page.next, 0);
}

TEST_F(LedgerTest, PagesStayWhileRowsCome) {
  const auto file = OpenFile();
  for (int i = 0; i < 10; ++i) {
    const LedgerRow row = Row("req-" + std::to_string(i));
    ASSERT_TRUE(file->Append(std::span(&row, 1)));
  }
  std::vector<std::string> seen;
  LedgerWish wish{.limit = 3};
  for (;;) {
    const LedgerPage page = ReadAll(*file, wish);
    for (const LedgerRow& row : page.rows) seen.push_back(row.request_id);
    const LedgerRow fresh = Row("new");
    ASSERT_TRUE(file->Append(std::span(&fresh, 1)));
    if (page.next == 0) break;
    wish.before = page.next;
  }
  ASSERT_EQ(seen.size(), 10u);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(seen[i], "req-" + std::to_string(9 - i));
}

TEST_F(LedgerTest, FiltersSayWhatIsWanted) {
  const auto file = OpenFile();
  LedgerRow rows[] = {Row("a"), Row("b"), Row("c", "beta"), Row("d")};
  rows[0].route = "chat";
  rows[1].outcome = LedgerOutcome::kRefused;
  rows[1].verdict = "overloaded";
  rows[3].started_ms += 1000;
  rows[3].generation = 5;
  ASSERT_TRUE(file->Append(rows));
  const auto ids = [&](const LedgerFilter& filter) {
    std::string all;
    for (const LedgerRow& row : ReadAll(*file, {.filter = filter}).rows) all += row.request_id;
    return all;
  };
  EXPECT_EQ(ids({}), "dcba");
  EXPECT_EQ(ids({.tenant = "acme"}), "dba");
  EXPECT_EQ(ids({.tenant = "acme", .generation = 5}), "d");
  EXPECT_EQ(ids({.request_id = "c"}), "c");
  EXPECT_EQ(ids({.route = "chat"}), "a");
  EXPECT_EQ(ids({.outcome = "refused", .verdict = "overloaded"}), "b");
  EXPECT_EQ(ids({.since_ms = 1'700'000'000'001}), "d");
  EXPECT_EQ(ids({.until_ms = 1'700'000'000'001}), "cba");
  EXPECT_EQ(ids({.route = "' OR 1=1 --"}), "");
}

TEST_F(LedgerTest, TheNewestRequestOfANameIsJudged) {
  const auto file = OpenFile();
  LedgerRow rows[] = {Row("a"), Row("a"), Row("a", "beta")};
  ASSERT_TRUE(file->Append(rows));
  EXPECT_EQ(file->Judge({"acme", 0, "a"}, {"good", true, 0.75}), true);
  EXPECT_EQ(file->Judge({"acme", 0, "b"}, {"good", true, 1}), false);
  EXPECT_EQ(file->Judge({"acme", 3, "a"}, {"bad", false, 0}), false);
  const LedgerPage page = ReadAll(*file, {});
  EXPECT_FALSE(page.rows[0].has_score);
  EXPECT_EQ(page.rows[1].label, "good");
  EXPECT_EQ(page.rows[1].score, 0.75);
  EXPECT_FALSE(page.rows[2].has_score);
}

TEST_F(LedgerTest, WhatIsTooOldGoes) {
  const auto file = OpenFile({.days = 1});
  constexpr int64_t kDay = 24 * 3600 * 1000;
  LedgerRow rows[] = {Row("old"), Row("young"), Row("future")};
  rows[1].started_ms += kDay;
  rows[2].started_ms += 400 * kDay;  // the clock was wrong
  ASSERT_TRUE(file->Append(rows));
  EXPECT_EQ(file->Retire(rows[0].started_ms + kDay + 1), 1u);
  EXPECT_EQ(ReadAll(*file, {}).rows.size(), 2u);
  EXPECT_EQ(file->Retire(rows[0].started_ms - 100 * kDay), 0u);  // the clock went back
}

TEST_F(LedgerTest, TheOldestMakeRoom) {
  constexpr uint64_t kBytes = 256 << 10;
  const auto file = OpenFile({.bytes = kBytes});
  const std::vector<LedgerRow> rows(100, FullRow());
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(file->Append(rows));
    ASSERT_TRUE(file->Retire(rows[0].started_ms));
  }
  const LedgerPage page = ReadAll(*file, {.limit = 10000});
  EXPECT_GT(page.rows.size(), 100u);
  EXPECT_LT(page.rows.size(), 2000u);
  EXPECT_EQ(page.rows.front().id, 5000);
  ASSERT_TRUE(file->database().Execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  EXPECT_LE(std::filesystem::file_size(path_), kBytes + (64 << 10));
}

TEST_F(LedgerTest, APurgedTenantsRowsGo) {
  const auto file = OpenFile();
  LedgerRow rows[] = {Row("a"), Row("b"), Row("c", "beta")};
  rows[1].generation = 2;
  ASSERT_TRUE(file->Append(rows));
  ASSERT_TRUE(file->Purge({{"acme", 2}, {"nobody", 1}}));
  const LedgerPage page = ReadAll(*file, {});
  ASSERT_EQ(page.rows.size(), 2u);
  EXPECT_EQ(page.rows[1].request_id, "b");
}

TEST_F(LedgerTest, NothingOfAPurgedTenantIsOnTheDisk) {
  const auto file = OpenFile();
  LedgerRow row = Row("a");
  row.route = "a route that nobody may find";
  ASSERT_TRUE(file->Append(std::span(&row, 1)));
  const auto bytes = [this] {
    std::string all;
    for (const char* end : {"", "-wal"}) {
      std::ifstream in(path_ + end, std::ios::binary);
      all.append(std::istreambuf_iterator<char>(in), {});
    }
    return all;
  };
  ASSERT_NE(bytes().find(row.route), std::string::npos);
  ASSERT_TRUE(file->Purge({{"acme", 1}}));
  EXPECT_EQ(bytes().find(row.route), std::string::npos);
}

// A reader keeps the log from being emptied: the purge is owed until it has gone.
TEST_F(LedgerTest, APurgeIsTriedUntilItIsDone) {
  std::vector<std::string> log;
  Ledger ledger(path_, {.days = 0, .purge_every = std::chrono::milliseconds(20)},
                [&](std::string_view line) { log.emplace_back(line); });
  LedgerRow row = Row("a");
  row.route = "a route that nobody may find";
  ledger.Add(row);
  ledger.Settle();
  {
    const auto reader = Database::OpenToRead(path_, "reader");
    Statement query = reader->Prepare("SELECT * FROM request");
    ASSERT_TRUE(query.Step());
    ledger.Purge({{"acme", 1}});
    ledger.Add(Row("other", "beta"));
    ledger.Settle();
    EXPECT_EQ(ledger.Read({})->rows.size(), 1u) << "the row is gone for whoever asks";
  }
  const auto is_in_log = [&] {
    std::ifstream in(path_ + "-wal", std::ios::binary);
    const std::string all(std::istreambuf_iterator<char>(in), {});
    return all.find(row.route) != std::string::npos;
  };
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (is_in_log() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_FALSE(is_in_log());
  EXPECT_EQ(log.size(), 1u);
}

TEST_F(LedgerTest, WhatEndsAfterThePurgeIsNotWritten) {
  Ledger ledger(path_, {.days = 0}, {});
  ledger.Purge({{"acme", 2}});
  LedgerRow late = Row("late");
  late.generation = 1;
  LedgerRow now = Row("now");
  now.generation = 2;
  LedgerRow newer = Row("newer");  // its purge is not known here yet
  newer.generation = 3;
  for (const LedgerRow& row : {late, now, newer, Row("other", "beta")}) ledger.Add(row);
  ledger.Settle();
  std::string ids;
  const auto page = ledger.Read({});
  for (const LedgerRow& row : page->rows) ids += row.request_id + " ";
  EXPECT_EQ(ids, "other newer now ");
  EXPECT_EQ(ledger.counts().written, 3u);
  EXPECT_EQ(ledger.LostOf("acme"), 0u) << "it was not lost, it was purged";
  EXPECT_EQ(ledger.counts().queued, 0u);
}

TEST_F(LedgerTest, ATableThatSomebodyDroppedEndsNoServer) {
  Ledger ledger(path_, {.days = 0, .write_time = std::chrono::milliseconds(20)}, {});
  ledger.Add(Row("before"));
  ledger.Settle();
  {
    const auto other = Database::Open(path_, {});
    ASSERT_TRUE(other->Execute("DROP TABLE request"));
  }
  EXPECT_FALSE(ledger.Read({}));
  EXPECT_FALSE(ledger.Sum({}));
  EXPECT_FALSE(ledger.Judge({"acme", 0, "before"}, {"good", false, 0}));
  ledger.Purge({{"acme", 1}});
  ledger.Add(Row("after", "beta"));
  ledger.Settle();
  EXPECT_EQ(ledger.LostOf("beta"), 1u);
  for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + end);
  ledger.Add(Row("again", "beta"));
  ledger.Settle();
  EXPECT_EQ(ledger.Read({})->rows.size(), 1u);
}

// While a reader stays the log grows, to a limit; when it has gone all is well by itself.
TEST_F(LedgerTest, ALogThatGrowsTooLargeIsWrittenNoMoreUntilItsReaderGoes) {
  Ledger ledger(
      path_, {.days = 0, .log_bytes = 256 << 10, .write_time = std::chrono::milliseconds(20)}, {});
  ASSERT_TRUE(ledger.Read({}));  // its own reader is there too, but reads nothing
  {
    const auto reader = Database::OpenToRead(path_, "reader");
    Statement query = reader->Prepare("SELECT count(*) FROM request");
    ASSERT_TRUE(reader->Execute("BEGIN"));
    ASSERT_TRUE(query.Step());
    for (int i = 0; i < 40 && ledger.LostOf("acme") == 0; ++i) {
      for (int row = 0; row < 100; ++row) ledger.Add(FullRow());
      ledger.Settle();
    }
    EXPECT_GT(ledger.LostOf("acme"), 0u);
    EXPECT_LT(std::filesystem::file_size(path_ + "-wal"), 1u << 20);
  }
  ledger.Add(Row("after", "beta"));
  ledger.Settle();
  EXPECT_EQ(ledger.LostOf("beta"), 0u);
  EXPECT_EQ(ledger.Read({})->rows.at(0).request_id, "after");
}

TEST_F(LedgerTest, AQuestionThatTakesTooLongIsEnded) {
  {
    const auto file = OpenFile();
    const std::vector<LedgerRow> rows(20000, FullRow());
    ASSERT_TRUE(file->Append(rows));
  }
  Ledger hasty(path_, {.days = 0, .read_time = std::chrono::milliseconds(0)}, {});
  EXPECT_EQ(hasty.Sum({.by = "route"}).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(hasty.Sum({.by = "route"}).error().code, ErrorCode::kUnavailable) << "again";
  Ledger patient(path_, {.days = 0}, {});
  EXPECT_EQ(patient.Sum({.by = "route"})->at(0).requests, 20000u);
}

// What a tenant sees tells nothing of how many requests others make.
TEST_F(LedgerTest, ATenantsRowsAreNumberedByThemselves) {
  const auto file = OpenFile();
  for (int i = 0; i < 6; ++i) {
    LedgerRow rows[] = {Row("a" + std::to_string(i)), Row("x", "beta"), Row("y", "beta")};
    if (i == 5) rows[0].generation = 1;
    ASSERT_TRUE(file->Append(rows));
  }
  LedgerWish wish{.filter = {.tenant = "acme", .generation = 0}, .own_numbers = true, .limit = 2};
  std::string seen;
  for (;;) {
    const LedgerPage page = ReadAll(*file, wish);
    for (const LedgerRow& row : page.rows)
      seen += row.request_id + "=" + std::to_string(row.id) + " ";
    if (page.next == 0) break;
    wish.before = page.next;
  }
  EXPECT_EQ(seen, "a4=5 a3=4 a2=3 a1=2 a0=1 ");
  wish.filter.generation = 1;
  wish.before = 0;
  EXPECT_EQ(ReadAll(*file, wish).rows.at(0).id, 1);
}

// Files of versions before lack numbers, and arms.
TEST_F(LedgerTest, OldRowsAreNumbered) {
  {
    const auto file = OpenFile();
    for (const char* tenant : {"acme", "beta", "acme"}) {
      const LedgerRow row = Row("r", tenant);
      ASSERT_TRUE(file->Append(std::span(&row, 1)));
    }
    ASSERT_TRUE(
        file->database().Execute("DROP INDEX request_number; ALTER TABLE request DROP COLUMN "
                                 "number; ALTER TABLE request DROP COLUMN arms; "
                                 "PRAGMA user_version=1"));
  }
  const auto file = OpenFile();
  const LedgerRow row = Row("r");
  ASSERT_TRUE(file->Append(std::span(&row, 1)));
  const LedgerPage page =
      ReadAll(*file, {.filter = {.tenant = "acme", .generation = 0}, .own_numbers = true});
  ASSERT_EQ(page.rows.size(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(page.rows[i].id, 3 - i);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(page.rows[i].arms, "");
}

TEST(Arms, AreReadAsTheyWereWritten) {
  std::string arms;
  AppendArm("a", Arm::kTreatment, arms);
  AppendArm("b.c-1", Arm::kControl, arms);
  EXPECT_EQ(arms, "a=treatment,b.c-1=control");
  std::string seen;
  VisitArms(arms, [&](std::string_view lever, std::string_view arm) {
    seen.append(lever).append(" ").append(arm).append(";");
  });
  EXPECT_EQ(seen, "a treatment;b.c-1 control;");
  VisitArms("", [](auto, auto) { ADD_FAILURE(); });
  for (const char* bad : {"", "-a", ".a", "A", "a b", "a=b", "a,b", "a%", "\u00e4"}) {
    EXPECT_FALSE(IsLeverName(bad)) << bad;
  }
  EXPECT_TRUE(IsLeverName(std::string(48, 'a')));
  EXPECT_FALSE(IsLeverName(std::string(49, 'a')));
}

// A lever whose name is part of another one's, or has a sign that LIKE would take for any, is not
// that one.
TEST_F(LedgerTest, ArmsAreThoseOfTheLeverAlone) {
  const auto file = OpenFile();
  std::vector<LedgerRow> rows;
  const std::pair<const char*, int64_t> kRows[] = {
      {"a=treatment", 10},  {"a=control,b=treatment", 20},  {"aa=treatment", 30},          {"", 40},
      {"a_=treatment", 50}, {"a=treatment,a_=control", 60}, {"b=control,xa=treatment", 70}};
  for (const auto& [arms, started] : kRows) {
    rows.push_back(Row("req"));
    rows.back().arms = arms;
    rows.back().started_ms = started;
    rows.back().tokens.computed = static_cast<uint64_t>(started);
  }
  rows[0].outcome = LedgerOutcome::kRefused;
  rows[0].tokens = {100, 10, 20, 30, 10, 7};
  rows[0].ms = {.queue = 1, .decode = 3, .first_token = 2, .total = 4};
  rows[0].kv.byte_seconds = 5;
  rows[0].preemptions = 6;
  ASSERT_TRUE(file->Append(rows));
  const auto computed = [&](const ArmWish& wish) {
    std::string text;
    const auto samples = ReadArms(file->database(), wish);
    EXPECT_TRUE(samples) << samples.error().message;
    for (const ArmSample& one : *samples) {
      text += one.arm == Arm::kTreatment ? "+" : "-";
      text += std::to_string(one.computed_tokens);
    }
    return text;
  };
  EXPECT_EQ(computed({.lever = "a"}), "+60-20+10");
  EXPECT_EQ(computed({.lever = "b"}), "-70+20");
  EXPECT_EQ(computed({.lever = "a_"}), "-60+50");
  EXPECT_EQ(computed({.lever = "a", .since_ms = 20, .until_ms = 60}), "-20");
  EXPECT_EQ(computed({.lever = "a", .limit = 1}), "+60");
  EXPECT_EQ(computed({.lever = "c"}), "");
  const ArmSample first = ReadArms(file->database(), {.lever = "a"})->back();
  EXPECT_EQ(first.outcome, LedgerOutcome::kRefused);
  EXPECT_EQ(first.prompt_tokens, 100u);
  EXPECT_EQ(first.found_tokens, 60u);
  EXPECT_EQ(first.generated_tokens, 7u);
  EXPECT_EQ(first.queue_ms + 10 * first.first_token_ms + 100 * first.decode_ms, 321);
  EXPECT_EQ(first.total_ms + 10 * first.kv_byte_seconds, 54);
  EXPECT_EQ(first.preemptions, 6u);
  EXPECT_FALSE(first.score);
  EXPECT_EQ(ReadAll(*file, {.filter = {.lever = "a"}}).rows.size(), 3u);
  EXPECT_EQ(SumLedger(file->database(), {.filter = {.lever = "b"}, .by = "arms"})->size(), 2u);
}

TEST_F(LedgerTest, WhatUsersSaidIsInTheSamples) {
  const auto file = OpenFile();
  for (const char* name : {"scored", "good", "bad", "none"}) {
    LedgerRow row = Row(name);
    row.arms = "a=control";
    row.started_ms = static_cast<int64_t>(name[0]);  // b, g, n, s
    ASSERT_TRUE(file->Append(std::span(&row, 1)));
  }
  EXPECT_EQ(file->Judge({"acme", 0, "scored"}, {"good", true, 0.25}), true);
  EXPECT_EQ(file->Judge({"acme", 0, "good"}, {"good", false, 0}), true);
  EXPECT_EQ(file->Judge({"acme", 0, "bad"}, {"odd", false, 0}), true);
  const auto samples = ReadArms(file->database(), {.lever = "a"});
  ASSERT_EQ(samples->size(), 4u);
  EXPECT_EQ((*samples)[0].score, 0.25);
  EXPECT_EQ((*samples)[1].score, std::nullopt);
  EXPECT_EQ((*samples)[2].score, 1);
  EXPECT_EQ((*samples)[3].score, 0);
}

TEST_F(LedgerTest, FilesOfOthersAreRefused) {
  {
    const auto other = Database::Open(path_, {});
    ASSERT_TRUE(other->Execute("CREATE TABLE t (x INTEGER); PRAGMA user_version=1"));
  }
  EXPECT_EQ(LedgerFile::Open(path_, {}).error().code, ErrorCode::kCorrupt);
  std::filesystem::remove(path_);
  std::ofstream(path_) << "this is no database, but long enough to be taken for one by mistake";
  EXPECT_EQ(LedgerFile::Open(path_, {}).error().code, ErrorCode::kCorrupt);
}

TEST_F(LedgerTest, AnyoneMayReadWhileItIsWritten) {
  Ledger ledger(path_, {.days = 0}, {});
  const auto reader = Database::OpenToRead(path_, "copy");
  ASSERT_TRUE(reader) << reader.error().message;
  for (int i = 0; i < 3; ++i) {
    ledger.Add(Row("req-" + std::to_string(i)));
    ledger.Settle();
    Statement count = reader->Prepare("SELECT count(*) FROM request");
    ASSERT_TRUE(count.Step());
    EXPECT_EQ(count.GetInt(0), i + 1);
  }
  const auto page = ledger.Read({});
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_EQ(page->rows.front().request_id, "req-2");
  EXPECT_EQ(ledger.counts().written, 3u);
  struct stat status{};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(LedgerTest, AFileThatIsDeletedIsMadeAnew) {
  Ledger ledger(path_, {.days = 0}, {});
  ledger.Add(Row("before"));
  ledger.Settle();
  ASSERT_EQ(ledger.Read({})->rows.size(), 1u);
  for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + end);
  ledger.Add(Row("after"));
  ledger.Settle();
  const auto page = ledger.Read({});
  ASSERT_TRUE(page) << page.error().message;
  ASSERT_EQ(page->rows.size(), 1u);
  EXPECT_EQ(page->rows[0].request_id, "after");
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(LedgerTest, WhatIsQueuedIsWrittenAtTheEnd) {
  {
    Ledger ledger(path_, {.days = 0}, {});
    for (int i = 0; i < 500; ++i) ledger.Add(Row("req-" + std::to_string(i)));
  }
  EXPECT_EQ(ReadAll(*OpenFile(), {.limit = 1000}).rows.size(), 500u);
}

TEST_F(LedgerTest, WithoutAFileRowsAreLostAndCounted) {
  std::vector<std::string> log;
  std::filesystem::create_directory(path_);  // a folder is no file, for root neither
  Ledger ledger(path_, {.days = 0}, [&](std::string_view line) { log.emplace_back(line); });
  for (int i = 0; i < 3; ++i) ledger.Add(Row("req"));
  ledger.Add(Row("req", "beta"));
  ledger.Settle();
  EXPECT_EQ(ledger.LostOf("acme"), 3u);
  EXPECT_EQ(ledger.LostOf("beta"), 1u);
  EXPECT_EQ(ledger.LostOf("gamma"), 0u);
  EXPECT_FALSE(ledger.Read({}));
  EXPECT_FALSE(ledger.Judge({"acme", 0, "req"}, {"good", false, 0}));
  EXPECT_EQ(log.size(), 1u);
  std::filesystem::remove(path_);
  ledger.Add(Row("again"));
  ledger.Settle();
  EXPECT_EQ(ledger.counts().written, 1u);
  EXPECT_EQ(ledger.Read({})->rows.size(), 1u);
  EXPECT_EQ(log.size(), 2u);
}

TEST_F(LedgerTest, AFullDiskTakesNothingHalf) {
  const auto file = OpenFile();
  file->database().LimitPages(24);
  const std::vector<LedgerRow> rows(1000, FullRow());
  const Status full = file->Append(rows);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE(ReadAll(*file, {}).rows.empty());
  file->database().LimitPages(0);
  EXPECT_TRUE(file->Append(rows));
}

TEST_F(LedgerTest, TheQueueIsBounded) {
  Ledger ledger(path_, {.days = 0}, {});
  const auto holder = Database::Open(path_, {});
  auto held = Transaction::Begin(*holder);  // nobody else can write
  ASSERT_TRUE(held);
  for (size_t i = 0; i < Ledger::kMostQueued + 10; ++i) ledger.Add(Row("req"));
  EXPECT_EQ(ledger.counts().queued, Ledger::kMostQueued);
  EXPECT_EQ(ledger.counts().lost.at("acme").queue_full, 10u);
}

TEST(LedgerCsv, IsSafeToOpen) {
  LedgerRow row = Row("req");
  row.route = "=HYPERLINK(\"http://x\")";
  row.version = "a,b\"c";
  std::string line;
  AppendCsv(row, line);
  EXPECT_NE(line.find("\"'=HYPERLINK(\"\"http://x\"\")\",\"a,b\"\"c\""), std::string::npos) << line;
  for (const char* formula : {"+1", "-1", "@sum", "=1"}) {
    LedgerRow bad = Row("req");
    bad.route = formula;
    std::string text;
    AppendCsv(bad, text);
    EXPECT_NE(text.find("\"'" + bad.route + "\""), std::string::npos) << text;
  }
  std::string plain;
  AppendCsv(Row("req"), plain);
  EXPECT_EQ(std::ranges::count(LedgerCsvHead(), ','), std::ranges::count(plain, ','));
}

// What a good outcome costs is what all requests cost, those that failed too.
TEST_F(LedgerTest, SumsAreOfAllRequestsOfAGroup) {
  const auto file = OpenFile();
  LedgerRow rows[] = {Row("a"), Row("b"), Row("c"), Row("d", "beta"), Row("e")};
  for (LedgerRow& row : rows) {
    row.route = "qa";
    row.version = "1";
    row.tokens.computed = 100;
    row.kv.byte_seconds = 10;
  }
  rows[1].retry_of = "a";
  rows[1].missed[1] = 5;
  rows[1].evicted_ago_ms = 500;
  rows[2].version = "2";
  rows[2].kv.byte_seconds = 90;
  rows[4].outcome = LedgerOutcome::kRefused;
  ASSERT_TRUE(file->Append(rows));
  EXPECT_EQ(file->Judge({"acme", 0, "a"}, {"bad", true, 0.25}), true);
  EXPECT_EQ(file->Judge({"acme", 0, "b"}, {"", true, 0.5}), true);
  EXPECT_EQ(file->Judge({"acme", 0, "c"}, {"good", false, 0}), true);
  const auto sums = SumLedger(file->database(), {.filter = {.tenant = "acme"}, .by = "version"});
  ASSERT_TRUE(sums) << sums.error().message;
  ASSERT_EQ(sums->size(), 2u);
  EXPECT_EQ((*sums)[0].key, "2");
  const LedgerSum& first = (*sums)[1];
  EXPECT_EQ(first.requests, 3u);
  EXPECT_EQ(first.answered, 2u);
  EXPECT_EQ(first.refused, 1u);
  EXPECT_EQ(first.retries, 1u);
  EXPECT_EQ(first.judged, 2u);
  EXPECT_EQ(first.good, 1u);
  EXPECT_EQ(first.tokens.computed, 300u);
  EXPECT_EQ(first.kv_byte_seconds, 30);
  EXPECT_EQ(first.missed[1], 5u);
  EXPECT_EQ(first.missed_requests[1], 1u);
  EXPECT_EQ(first.evicted_ago_ms, 500);
  EXPECT_EQ((*sums)[0].good, 1u);
  const auto all = SumLedger(file->database(), {.good_label = "bad"});
  ASSERT_EQ(all->size(), 1u);
  EXPECT_EQ(all->front().requests, 5u);
  EXPECT_EQ(all->front().good, 1u) << "a score goes before a label";
  EXPECT_TRUE(SumLedger(file->database(), {.filter = {.route = "none"}})->empty());
}

}  // namespace
}  // namespace quire
