// quire replay: what a trace of requests would have hit in caches of some sizes and policies.
#include <fmt/format.h>

#include <CLI/Option.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/command.h"
#include "apps/exit_code.h"
#include "apps/flags/flag_values.h"
#include "apps/progress_bar.h"
#include "plan/replay_cache.h"
#include "plan/serving_replay.h"
#include "plan/trace_parser.h"

namespace quire {
namespace {

struct ReplayFlags {
  std::string trace;
  std::string format = "auto";
  std::vector<std::string> capacity;
  std::vector<std::string> policy;
  uint32_t sessions = 12;
  uint32_t requests = 0;
  double prefill_rate = 1000;
  double decode_rate = 50;
  double load = 0.7;
  uint32_t tenants = 1;
  bool no_serve = false;
  bool json = false;
};

// Of a trace's distinct tokens: the capacities that are looked at by default, and which of them is
// served.
constexpr std::array kShares{0.001, 0.005, 0.02, 0.1, 0.3, 1.0};
constexpr size_t kServedShare = 2;

// The cache in virtual time knows every token that it holds.
constexpr uint64_t kMostServedTokens = uint64_t{1} << 28;

// What one policy did at all capacities.
struct Row {
  std::string policy;
  std::vector<double> ratios;
};

Status Wrong(const std::string& flag, const std::string& why) {
  return Refuse(ErrorCode::kInvalidArgument, fmt::format("--{}: {}", flag, why), flag);
}

// "100k", "1.5M", "3000000"
Result<uint64_t> ParseTokens(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string unit(end, text.data() + text.size());
  double scale = 0;
  if (unit.empty()) scale = 1;
  if (unit == "k" || unit == "K") scale = 1e3;
  if (unit == "m" || unit == "M") scale = 1e6;
  if (unit == "g" || unit == "G") scale = 1e9;
  const double tokens = value * scale;
  if (error != std::errc{} || scale == 0 || !(tokens >= 1 && tokens <= 1e12)) {
    return std::unexpected(
        Wrong("capacity", fmt::format("'{}' is not a number of tokens like 100k or 2.5M", text))
            .error());
  }
  return static_cast<uint64_t>(std::llround(tokens));
}

std::string TokensText(uint64_t tokens) {
  if (tokens >= 1'000'000) return fmt::format("{:.4g}M", static_cast<double>(tokens) / 1e6);
  if (tokens >= 1'000) return fmt::format("{:.4g}k", static_cast<double>(tokens) / 1e3);
  return fmt::format("{}", tokens);
}

TraceFormat FormatNamed(const std::string& name) {
  if (name == "mooncake") return TraceFormat::kMooncake;
  if (name == "azure") return TraceFormat::kAzure;
  if (name == "agentic") return TraceFormat::kAgentic;
  return TraceFormat::kAuto;
}

Result<Trace> ReadTrace(const ReplayFlags& flags) {
  std::error_code error;
  const uint64_t bytes = std::filesystem::file_size(flags.trace, error);
  std::ifstream in(flags.trace, std::ios::binary);
  if (error || !in) {
    return Refuse(ErrorCode::kIo, fmt::format("{} cannot be read", flags.trace), "TRACE");
  }
  ProgressBar bar("reading the trace");
  TraceOptions options{.format = FormatNamed(flags.format), .sessions_at_once = flags.sessions};
  if (flags.requests > 0) options.most_requests = flags.requests;
  options.progress = [&](uint64_t done) { bar.Update(done, bytes); };
  Result<Trace> trace = ParseTrace(in, options);
  if (!trace) trace.error().message = flags.trace + ": " + trace.error().message;
  return trace;
}

Result<std::vector<uint64_t>> Capacities(const ReplayFlags& flags, const Trace& trace) {
  std::vector<uint64_t> tokens;
  for (const std::string& text : flags.capacity) {
    QUIRE_TRY(const uint64_t capacity, ParseTokens(text));
    if (capacity < trace.block_tokens) {
      return std::unexpected(Wrong("capacity", fmt::format("{} is less than one block of this "
                                                           "trace, {} tokens",
                                                           text, trace.block_tokens))
                                 .error());
    }
    tokens.push_back(capacity);
  }
  if (!tokens.empty()) return tokens;
  for (const double share : kShares) {
    const double part = share * static_cast<double>(trace.footprint_tokens());
    tokens.push_back(std::max<uint64_t>(trace.block_tokens, static_cast<uint64_t>(part)));
  }
  return tokens;
}

Result<std::vector<Row>> ReplayAll(const Trace& trace, const std::vector<std::string>& policies,
                                   const std::vector<uint64_t>& capacities) {
  ProgressBar bar("replaying");
  std::vector<Row> rows;
  const double total = static_cast<double>(policies.size() * capacities.size());
  double done = 0;
  for (const std::string& policy : policies) {
    rows.push_back({.policy = policy, .ratios = {}});
    for (const uint64_t capacity : capacities) {
      const uint64_t blocks = std::min<uint64_t>(capacity / trace.block_tokens, trace.num_blocks);
      QUIRE_TRY(auto cache, MakeReplayCache(policy, trace, static_cast<uint32_t>(blocks)));
      const auto progress = [&](uint64_t requests) {
        const double part =
            static_cast<double>(requests) / static_cast<double>(trace.requests.size());
        bar.UpdateShare((done + part) / total, policy + " " + TokensText(capacity));
      };
      rows.back().ratios.push_back(Replay(trace, *cache, progress).ratio());
      ++done;
    }
  }
  return rows;
}

// One policy at one capacity, served in virtual time.
struct Served {
  std::string policy;
  uint64_t capacity = 0;
  ServingResult result;
};

// As many times slower or faster than the trace as computing every prompt would take `load` of the
// time; 0: as the trace has it.
double SpeedOf(const ReplayFlags& flags, const Trace& trace) {
  const TickMs span = trace.requests.back().arrival - trace.requests.front().arrival;
  if (flags.load == 0 || span == 0) return 1;
  const double compute_ms = 1000 * static_cast<double>(trace.prompt_tokens()) / flags.prefill_rate;
  return flags.load * static_cast<double>(span) / compute_ms;
}

// What was asked for; by default the server's policy beside an LRU, at one size.
std::vector<Served> ServeAll(const ReplayFlags& flags, const Trace& trace,
                             std::vector<uint64_t> capacities) {
  if (flags.capacity.empty()) capacities = {capacities[kServedShare]};
  ProgressBar bar("serving");
  std::vector<Served> served;
  for (const char* name : {"lru", "scored", "auto"}) {
    const std::string policy = name;
    const std::vector<std::string>& wanted = flags.policy;
    if (wanted.empty() && policy == "scored") continue;
    if (!wanted.empty() && std::ranges::find(wanted, policy) == wanted.end()) continue;
    for (const uint64_t capacity : capacities) {
      ServingOptions options{.capacity_tokens = std::min(capacity, kMostServedTokens)};
      options.eviction = *EvictionKindNamed(policy);
      options.rates = {.prefill_tokens_per_s = flags.prefill_rate,
                       .step_ms = 1000 / flags.decode_rate};
      options.speed = SpeedOf(flags, trace);
      options.tenants = flags.tenants;
      options.progress = [&](uint64_t requests) {
        bar.UpdateShare(static_cast<double>(requests) / static_cast<double>(trace.requests.size()),
                        policy + " " + TokensText(capacity));
      };
      served.push_back({policy, capacity, Serve(trace, options)});
    }
  }
  return served;
}

void PrintServed(const ReplayFlags& flags, const Trace& trace, const std::vector<Served>& served) {
  if (served.empty()) return;
  fmt::print(
      "\nserved in virtual time: {:g} tokens/s read, {:g} ms a step, {} tenants, arrivals "
      "{:.3g} x as fast\n",
      flags.prefill_rate, 1000 / flags.decode_rate, flags.tenants, SpeedOf(flags, trace));
  fmt::print("{:>8} {:>10} {:>7} {:>10} {:>10} {:>10} {:>9} {:>8}\n", "policy", "capacity", "hits",
             "TTFT p50", "p95", "p99", "refused", "fairness");
  for (const Served& row : served) {
    const ServingResult& result = row.result;
    const auto seconds = [&](double share) {
      return fmt::format("{:.2f} s", PercentileOf(result.ttft_ms, share) / 1000);
    };
    fmt::print("{:>8} {:>10} {:>7.4f} {:>10} {:>10} {:>10} {:>9} {:>8.3f}\n", row.policy,
               TokensText(row.capacity), result.hit_ratio(), seconds(0.5), seconds(0.95),
               seconds(0.99), result.refused, result.fairness());
  }
}

nlohmann::json ServedJson(const Served& row) {
  const ServingResult& result = row.result;
  nlohmann::json tenants = nlohmann::json::array();
  for (const TenantResult& tenant : result.tenants) {
    tenants.push_back({{"requests", tenant.requests},
                       {"refused", tenant.refused},
                       {"computed_prompt_tokens", tenant.computed_tokens},
                       {"ttft_p50_ms", PercentileOf(tenant.ttft_ms, 0.5)},
                       {"ttft_p95_ms", PercentileOf(tenant.ttft_ms, 0.95)}});
  }
  return {{"policy", row.policy},
          {"capacity_tokens", row.capacity},
          {"token_hit_ratio", result.hit_ratio()},
          {"ttft_p50_ms", PercentileOf(result.ttft_ms, 0.5)},
          {"ttft_p95_ms", PercentileOf(result.ttft_ms, 0.95)},
          {"ttft_p99_ms", PercentileOf(result.ttft_ms, 0.99)},
          {"served", result.ttft_ms.size()},
          {"refused", result.refused},
          {"preemptions", result.preemptions},
          {"fairness", result.fairness()},
          {"steps", result.steps},
          {"virtual_seconds", result.seconds},
          {"tenants", tenants}};
}

void PrintTable(const Trace& trace, const std::vector<uint64_t>& capacities,
                const std::vector<Row>& rows) {
  fmt::print("{} trace: {} requests, {} prompt tokens, {} of them distinct (blocks of {})\n",
             trace.format, trace.requests.size(), TokensText(trace.prompt_tokens()),
             TokensText(trace.footprint_tokens()), trace.block_tokens);
  if (!trace.has_reuse) fmt::print("It does not say what texts have in common: nothing can hit.\n");
  fmt::print("\ntoken hit ratio\n{:>10} {:>7}", "capacity", "share");
  for (const Row& row : rows) fmt::print(" {:>7}", row.policy);
  fmt::print("\n");
  for (size_t i = 0; i < capacities.size(); ++i) {
    const double share = static_cast<double>(capacities[i]) /
                         static_cast<double>(std::max<uint64_t>(1, trace.footprint_tokens()));
    fmt::print("{:>10} {:>6.1f}%", TokensText(capacities[i]), 100 * share);
    for (const Row& row : rows) fmt::print(" {:>7.4f}", row.ratios[i]);
    fmt::print("\n");
  }
  const auto optimum = std::ranges::find(rows, "opt", &Row::policy);
  if (optimum == rows.end()) return;
  fmt::print("\nshare of the optimum\n");
  for (size_t i = 0; i < capacities.size(); ++i) {
    fmt::print("{:>10} {:>7}", TokensText(capacities[i]), "");
    for (const Row& row : rows) {
      const double best = optimum->ratios[i];
      fmt::print(" {:>6.1f}%", best > 0 ? 100 * row.ratios[i] / best : 100);
    }
    fmt::print("\n");
  }
}

void PrintJson(const Trace& trace, const std::vector<uint64_t>& capacities,
               const std::vector<Row>& rows, const std::vector<Served>& served) {
  nlohmann::json out{{"trace",
                      {{"format", trace.format},
                       {"requests", trace.requests.size()},
                       {"prompt_tokens", trace.prompt_tokens()},
                       {"footprint_tokens", trace.footprint_tokens()},
                       {"block_tokens", trace.block_tokens}}},
                     {"hit_ratios", nlohmann::json::array()}};
  for (const Row& row : rows) {
    for (size_t i = 0; i < capacities.size(); ++i) {
      out["hit_ratios"].push_back({{"policy", row.policy},
                                   {"capacity_tokens", capacities[i]},
                                   {"token_hit_ratio", row.ratios[i]}});
    }
  }
  out["served"] = nlohmann::json::array();
  for (const Served& row : served) out["served"].push_back(ServedJson(row));
  fmt::print("{}\n", out.dump(2));
}

int RunReplay(const ReplayFlags& flags) {
  auto trace = ReadTrace(flags);
  if (!trace) return Fail(trace.error(), kExitFailed);
  auto capacities = Capacities(flags, *trace);
  if (!capacities) return Fail(capacities.error());
  const auto rows =
      ReplayAll(*trace, flags.policy.empty() ? ReplayPolicies() : flags.policy, *capacities);
  if (!rows) return Fail(rows.error());
  const std::vector<Served> served =
      flags.no_serve ? std::vector<Served>{} : ServeAll(flags, *trace, *capacities);
  if (flags.json) {
    PrintJson(*trace, *capacities, *rows, served);
  } else {
    PrintTable(*trace, *capacities, *rows);
    PrintServed(flags, *trace, served);
  }
  return FinishOutput();
}

}  // namespace

Command AddReplay(CLI::App& parent) {
  auto flags = std::make_shared<ReplayFlags>();
  CLI::App* app = parent.add_subcommand(
      "replay", "What a trace of requests would have found in the KV cache, by size and policy.");
  app->footer(
      "Policies: fifo, lfu, s3fifo and lru to compare with; scored keeps what is\n"
      "expected to be read soonest for its memory; auto is the server's default, the\n"
      "better of lru and scored; opt knows the future, and is the bound of them all.\n"
      "\n"
      "Examples:\n"
      "  quire replay conversation_trace.jsonl --capacity 100k,1M,10M\n"
      "  quire replay agents.ndjson --capacity 4M --policy lru,auto --sessions 12");
  app->add_option("TRACE", flags->trace, "Mooncake's JSON lines, Azure's CSV, or agents' sessions")
      ->required();
  OneOf(app->add_option("--format", flags->format, "how the trace is written"),
        {"auto", "mooncake", "azure", "agentic"})
      ->capture_default_str();
  app->add_option("--capacity", flags->capacity,
                  "tokens of KV that the cache holds, such as 100k,1M; without it, from 0.1 % to "
                  "all of the trace's distinct tokens")
      ->delimiter(',')
      ->type_name("LIST");
  OneOf(app->add_option("--policy", flags->policy, "what is given up; without it, all of them")
            ->delimiter(',')
            ->type_name("LIST"),
        ReplayPolicies());
  Whole(app->add_option("--sessions", flags->sessions,
                        "sessions of an agentic trace that are open at once"),
        1, 100000)
      ->capture_default_str();
  Whole(app->add_option("--requests", flags->requests, "stop after so many; 0: none is left out"),
        0, 1'000'000'000);
  Real(app->add_option("--prefill-rate", flags->prefill_rate,
                       "tokens a second that the served model reads"),
       0.001, 1e9)
      ->capture_default_str();
  Real(app->add_option("--decode-rate", flags->decode_rate,
                       "tokens a second that it generates for one alone"),
       0.001, 1e6)
      ->capture_default_str();
  Real(app->add_option("--load", flags->load,
                       "arrivals are stretched until reading every prompt anew would take this "
                       "share of the time; 0: as in the trace"),
       0, 1000)
      ->capture_default_str();
  Whole(app->add_option("--tenants", flags->tenants,
                        "conversations are dealt to so many tenants, who share nothing"),
        1, 1000)
      ->capture_default_str();
  app->add_flag("--no-serve", flags->no_serve,
                "hit ratios only; serving in virtual time takes longer");
  app->add_flag("--json", flags->json, "print one JSON object");
  return {app, [flags](const Settings&) { return RunReplay(*flags); }};
}

}  // namespace quire
