// quire ledger: what requests cost, and what became of their answers, from the file of a server.
#include <fmt/format.h>

#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <ctime>
#include <string>
#include <vector>

#include "apps/command.h"
#include "apps/data_folder.h"
#include "apps/exit_code.h"
#include "apps/flags/flag_values.h"
#include "base/size.h"
#include "base/sqlite/database.h"
#include "ledger/ledger_csv.h"
#include "ledger/ledger_query.h"
#include "ledger/ledger_schema.h"
#include "ledger/ledger_sums.h"

namespace quire {
namespace {

constexpr uint32_t kPage = 1000;
constexpr double kBlockTokens = 16;
constexpr int64_t kMsPerSecond = 1000;

struct LedgerFlags {
  std::string data;
  std::string since;
  std::string until;
  std::string by = "route";
  std::string good = "good";
  uint32_t limit = 20;
  bool csv = false;
  std::array<std::string, 10> filters;  // by kFilters
};

struct FilterFlag {
  const char* flag;
  const char* description;
  std::optional<std::string> LedgerFilter::* field;
};
constexpr FilterFlag kFilters[] = {
    {"--tenant", "only requests of this tenant", &LedgerFilter::tenant},
    {"--route", "only this route", &LedgerFilter::route},
    {"--of-version", "only this version of a route", &LedgerFilter::version},
    {"--model", "only this model", &LedgerFilter::model},
    {"--api", "only this path, such as chat/completions", &LedgerFilter::api},
    {"--outcome", "only finished, length, cancelled, refused or error", &LedgerFilter::outcome},
    {"--verdict", "only this verdict, such as overloaded", &LedgerFilter::verdict},
    {"--request", "only this request", &LedgerFilter::request_id},
    {"--retry-of", "only what repeats this request", &LedgerFilter::retry_of},
    {"--lever", "only what this lever was tried on, in either arm", &LedgerFilter::lever},
};
static_assert(std::size(kFilters) == std::tuple_size_v<decltype(LedgerFlags::filters)>);

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// "90s", "30m", "24h", "7d": so long ago. Digits alone: milliseconds since 1970.
Result<std::optional<int64_t>> TimeOf(const std::string& text, const char* flag) {
  if (text.empty()) return std::nullopt;
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  const std::string unit(at, end);
  constexpr int64_t kMost = int64_t{1} << 53;
  if (error == std::errc() && number >= 0 && number < kMost && unit.empty()) return number;
  constexpr std::pair<const char*, int64_t> kUnits[] = {
      {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
  const auto known = std::ranges::find(kUnits, unit, [](const auto& one) { return one.first; });
  constexpr int64_t kMostUnits = 100000;
  if (error == std::errc() && number >= 0 && number < kMostUnits && known != std::end(kUnits)) {
    return NowMs() - number * known->second * kMsPerSecond;
  }
  return Refuse(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no time: write 90s, 30m, 24h or 7d for so long ago, or "
                            "milliseconds since 1970",
                            text),
                flag);
}

Result<LedgerFilter> FilterOf(const LedgerFlags& flags) {
  LedgerFilter filter;
  for (size_t i = 0; i < std::size(kFilters); ++i) {
    if (!flags.filters[i].empty()) filter.*kFilters[i].field = flags.filters[i];
  }
  QUIRE_TRY(filter.since_ms, TimeOf(flags.since, "since"));
  QUIRE_TRY(filter.until_ms, TimeOf(flags.until, "until"));
  return filter;
}

Result<Database> OpenOf(const LedgerFlags& flags) {
  const std::string folder = flags.data.empty() ? DefaultDataFolder() : flags.data;
  if (folder.empty()) {
    return Refuse(ErrorCode::kInvalidArgument, "which folder? use --data DIR", "data");
  }
  QUIRE_TRY(Database database, Database::OpenToRead(folder + "/ledger.db", kLedgerName));
  if (const Status known = CheckLedger(database); !known) return std::unexpected(known.error());
  return database;
}

// What stands in a table: labels are anything, and columns narrow.
std::string Cell(const std::string& text, size_t width) {
  if (text.empty()) return "-";
  if (text.size() <= width) return text;
  size_t end = width - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

std::string LocalTime(int64_t ms) {
  const auto when = static_cast<std::time_t>(ms / kMsPerSecond);
  std::tm local{};
  localtime_r(&when, &local);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%m-%d %H:%M:%S", &local)};
}

Status List(const LedgerFlags& flags) {
  LedgerWish wish;
  QUIRE_TRY(wish.filter, FilterOf(flags));
  QUIRE_TRY(const Database database, OpenOf(flags));
  constexpr auto kRow =
      "{:<14} {:<20} {:<10} {:<16} {:<10} {:>7} {:>7} {:>7} {:>6} {:>9} {:>9}  {}\n";
  if (flags.csv) {
    fmt::print("{}", LedgerCsvHead());
  } else {
    fmt::print(kRow, "STARTED", "REQUEST", "TENANT", "ROUTE", "OUTCOME", "PROMPT", "FOUND",
               "COMPUT.", "GENER.", "1ST MS", "TOTAL MS", "VERDICT");
  }
  for (uint32_t left = flags.limit; left > 0;) {
    wish.limit = std::min(left, kPage);
    QUIRE_TRY(const LedgerPage page, ReadLedger(database, wish));
    for (const LedgerRow& row : page.rows) {
      std::string line;
      AppendCsv(row, line);
      if (flags.csv) {
        fmt::print("{}", line);
        continue;
      }
      const LedgerTokens& tokens = row.tokens;
      fmt::print(kRow, LocalTime(row.started_ms), Cell(row.request_id, 20), Cell(row.tenant, 10),
                 Cell(row.route, 16), LedgerOutcomeName(row.outcome), tokens.prompt,
                 tokens.ram + tokens.disk + tokens.remote, tokens.computed, tokens.generated,
                 fmt::format("{:.1f}", row.ms.first_token), fmt::format("{:.1f}", row.ms.total),
                 Cell(row.verdict, 24));
    }
    left -= static_cast<uint32_t>(page.rows.size());
    wish.before = page.next;
    if (page.next == 0) break;
  }
  return {};
}

double GiBSeconds(double byte_seconds) { return byte_seconds / static_cast<double>(kGiB); }

std::string Share(double part, double all) {
  return all > 0 ? fmt::format("{:.1f} %", 100 * part / all) : "-";
}

std::string PerGood(double cost, uint64_t good, int digits) {
  return good == 0 ? "-" : fmt::format("{:.{}f}", cost / static_cast<double>(good), digits);
}

// Which route, version, tenant ... costs most, and what a good outcome of it costs.
Status Cost(const LedgerFlags& flags) {
  LedgerSumWish wish;
  wish.by = flags.by;
  wish.good_label = flags.good;
  wish.limit = flags.limit;
  QUIRE_TRY(wish.filter, FilterOf(flags));
  QUIRE_TRY(const Database database, OpenOf(flags));
  QUIRE_TRY(const std::vector<LedgerSum> sums, SumLedger(database, wish));
  wish.by = {};
  QUIRE_TRY(const std::vector<LedgerSum> all, SumLedger(database, wish));
  const double whole = all.empty() ? 0 : all.front().kv_byte_seconds;
  std::string name = flags.by;
  std::ranges::transform(name, name.begin(), [](char c) { return static_cast<char>(c - 32); });
  constexpr auto kRow =
      "{:<24} {:>8} {:>7} {:>7} {:>10} {:>8} {:>10} {:>10} {:>12} {:>8} {:>6} {:>12} {:>12}\n";
  fmt::print(kRow, name, "REQUESTS", "FAILED", "RETRIES", "PROMPT", "FOUND", "COMPUTED",
             "GENERATED", "KV GiB*s", "OF KV", "GOOD", "TOKENS/GOOD", "KV/GOOD");
  for (const LedgerSum& sum : sums) {
    const double found = static_cast<double>(sum.tokens.ram + sum.tokens.disk + sum.tokens.remote);
    const double work = static_cast<double>(sum.tokens.computed + sum.tokens.generated);
    const double kv = GiBSeconds(sum.kv_byte_seconds);
    fmt::print(kRow, Cell(sum.key, 24), sum.requests, sum.failed + sum.refused, sum.retries,
               sum.tokens.prompt, Share(found, static_cast<double>(sum.tokens.prompt)),
               sum.tokens.computed, sum.tokens.generated, fmt::format("{:.4f}", kv),
               Share(sum.kv_byte_seconds, whole), sum.good, PerGood(work, sum.good, 0),
               PerGood(kv, sum.good, 4));
  }
  if (sums.empty()) fmt::print("no requests\n");
  return {};
}

// Why prompts were computed: what evicted them, or what else.
Status Misses(const LedgerFlags& flags) {
  LedgerSumWish wish;
  QUIRE_TRY(wish.filter, FilterOf(flags));
  QUIRE_TRY(const Database database, OpenOf(flags));
  QUIRE_TRY(const std::vector<LedgerSum> sums, SumLedger(database, wish));
  if (sums.empty()) {
    fmt::print("no requests\n");
    return {};
  }
  const LedgerSum& sum = sums.front();
  const double prompt = static_cast<double>(sum.tokens.prompt);
  const double computed = static_cast<double>(sum.tokens.computed);
  const double ms_per_token = computed > 0 ? sum.ms.prefill / computed : 0;
  constexpr auto kRow = "{:<16} {:>10} {:>10} {:>11} {:>10} {:>12}\n";
  fmt::print(kRow, "REASON", "BLOCKS", "TOKENS", "OF PROMPTS", "REQUESTS", "ABOUT MS");
  for (size_t i = 0; i < kLedgerMisses.size(); ++i) {
    if (sum.missed[i] == 0) continue;
    const double tokens = static_cast<double>(sum.missed[i]) * kBlockTokens;
    fmt::print(kRow, kLedgerMisses[i], sum.missed[i], tokens, Share(tokens, prompt),
               sum.missed_requests[i], fmt::format("{:.0f}", tokens * ms_per_token));
  }
  fmt::print(
      "{} requests with {} tokens in their prompts, {} of them found\n", sum.requests,
      sum.tokens.prompt,
      Share(static_cast<double>(sum.tokens.ram + sum.tokens.disk + sum.tokens.remote), prompt));
  if (sum.evicted_ago_ms > 0) {
    fmt::print("what was evicted had gone {:.1f} s before it was asked for, on average\n",
               sum.evicted_ago_ms / kMsPerSecond);
  }
  return {};
}

CLI::App* AddQuestion(CLI::App& parent, const char* name, const char* description,
                      LedgerFlags& flags) {
  CLI::App* app = parent.add_subcommand(name, description);
  app->add_option("--data", flags.data, "the server's --data (default: quire in ~/.local/share)")
      ->type_name("DIR");
  app->add_option("--since", flags.since, "only what started then or later: 24h ago, or in ms")
      ->type_name("TIME");
  app->add_option("--until", flags.until, "only what started before")->type_name("TIME");
  for (size_t i = 0; i < std::size(kFilters); ++i) {
    app->add_option(kFilters[i].flag, flags.filters[i], kFilters[i].description)->type_name("TEXT");
  }
  return app;
}

void AddLimit(CLI::App& app, LedgerFlags& flags, const char* description) {
  Whole(app.add_option("--limit", flags.limit, description), 1, 100000000)->capture_default_str();
}

}  // namespace

Command AddLedger(CLI::App& parent) {
  auto flags = std::make_shared<LedgerFlags>();
  CLI::App* app = parent.add_subcommand("ledger", "What requests cost, and what became of them.");
  app->footer(
      "Examples:\n"
      "  quire ledger cost                          which route costs most KV\n"
      "  quire ledger cost --by version --route qa  cost per good outcome by version\n"
      "  quire ledger misses --since 24h            what evicted us\n"
      "  quire ledger ls --outcome refused --csv --limit 100000 > refused.csv\n\n"
      "Reads ledger.db in --data, beside a server or without one. An outcome is good if its score\n"
      "is 0.5 or more, or, without a score, if its label is that of --good.");
  app->require_subcommand(1);
  CLI::App* list = AddQuestion(*app, "ls", "Requests, newest first.", *flags);
  AddLimit(*list, *flags, "how many");
  list->add_flag("--csv", flags->csv, "comma-separated, with every column");
  CLI::App* cost =
      AddQuestion(*app, "cost", "What groups of requests cost, dearest first.", *flags);
  AddLimit(*cost, *flags, "how many groups");
  OneOf(cost->add_option("--by", flags->by, "what groups have in common"),
        {kLedgerKeys.begin(), kLedgerKeys.end()})
      ->capture_default_str();
  cost->add_option("--good", flags->good, "label of a good outcome")
      ->type_name("LABEL")
      ->capture_default_str();
  CLI::App* misses =
      AddQuestion(*app, "misses", "Why prompts were computed that could have been found.", *flags);
  return {app, [=](const Settings&) -> int {
            const Status done = misses->parsed() ? Misses(*flags)
                                : cost->parsed() ? Cost(*flags)
                                                 : List(*flags);
            return done ? FinishOutput() : Fail(done.error());
          }};
}

}  // namespace quire
