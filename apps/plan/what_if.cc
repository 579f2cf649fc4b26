#include "apps/plan/what_if.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "plan/trace_parser.h"

namespace quire {
namespace {

constexpr TickMs kDayMs = TickMs{24} * 3600 * 1000;
constexpr uint64_t kMostServedTokens = uint64_t{1} << 28;  // the cache knows every token it holds
constexpr double kDecodeSteps = 5;  // that a step with prefill beside decodes takes at most

Result<Trace> ReadDay(const WhatIfOptions& options) {
  std::error_code error;
  const uint64_t bytes = std::filesystem::file_size(options.trace, error);
  std::ifstream in(options.trace, std::ios::binary);
  if (error || !in) {
    return Refuse(ErrorCode::kIo, fmt::format("{} cannot be read", options.trace), "what-if");
  }
  TraceOptions parsing;
  if (options.most_requests > 0) parsing.most_requests = options.most_requests;
  parsing.progress = [&](uint64_t done) {
    const double share =
        static_cast<double>(done) / static_cast<double>(std::max<uint64_t>(1, bytes));
    options.progress(share, "reading it");
  };
  Result<Trace> trace = ParseTrace(in, parsing);
  if (!trace) {
    trace.error().message = options.trace + ": " + trace.error().message;
    return trace;
  }
  const TickMs end = trace->requests.front().arrival + kDayMs;
  std::erase_if(trace->requests, [&](const TraceRequest& one) { return one.arrival >= end; });
  return trace;
}

// Steps of the virtual server as those of the forecast: reading of rows and positions off a line.
VirtualRates RatesOf(const ModelShape& shape, const ModelTimes& times,
                     const StepForecast& forecast) {
  const StepPoint& few = times.chunk.front();
  const StepPoint& many = times.chunk.back();
  const double rows = double{1} * many.rows - few.rows;
  const double row = rows > 0 ? (many.layers - few.layers) / rows : few.layers;
  const double layers = shape.config.layers - shape.num_windowed();
  VirtualRates rates;
  rates.prefill_tokens_per_s = 1 / std::max(row, 1e-9);
  rates.step_ms = 1000 * std::max(forecast.DecodeSeconds(1, 0) - row, 1e-6);
  rates.position_ms = 1000 * layers * forecast.attention().chunk;
  rates.decode_position_ms = 1000 * layers * forecast.attention().decode;
  return rates;
}

ServingOptions OptionsOf(const PlanQuestion& question, const VirtualRates& rates,
                         uint64_t kv_tokens) {
  ServingOptions options;
  options.capacity_tokens = std::min(kv_tokens, kMostServedTokens);
  options.rates = rates;
  const double row_ms = 1000 / rates.prefill_tokens_per_s;
  const double room = std::max(question.pace.target_seconds * 1000 - rates.step_ms, row_ms);
  const auto rows =
      static_cast<uint32_t>(std::clamp(room / row_ms, 16.0, double{1} * question.pace.step_tokens));
  const double beside = std::min(room, (kDecodeSteps - 1) * rates.step_ms) / row_ms;
  options.budget = {.step_tokens = std::max(rows, question.setting.max_sequences),
                    .step_sequences = question.setting.max_sequences,
                    .step_logit_rows = question.setting.max_sequences,
                    .prefill_chunk = std::max(rows, question.setting.max_sequences)};
  options.prefill_beside_decodes = std::max(16u, static_cast<uint32_t>(beside));
  options.queue_limit = 256;
  return options;
}

struct Variant {
  std::string name;
  uint64_t kv_tokens;
  KvFormat format;
};

std::vector<Variant> VariantsOf(const CapacityPlan& plan) {
  const uint64_t planned = plan.kv_blocks * kBlockTokens;
  std::vector<Variant> variants{{"as planned", planned, plan.kv_format}};
  for (const FormatRow& row : plan.formats) {
    if (row.format == plan.kv_format) continue;
    variants.push_back({fmt::format("with {}", KvFormatName(row.format)), row.tokens, row.format});
  }
  variants.push_back({"half the KV memory", planned / 2, plan.kv_format});
  variants.push_back({"twice the KV memory", planned * 2, plan.kv_format});
  return variants;
}

double Seconds(const ServingResult& result, double share) {
  return PercentileOf(result.ttft_ms, share) / 1000;
}

}  // namespace

Result<WhatIf> ServeTrace(const ModelShape& shape, const CapacityPlan& plan,
                          const PlanQuestion& question, const ModelTimes& times,
                          const WhatIfOptions& options) {
  QUIRE_TRY(const Trace trace, ReadDay(options));
  WhatIf what_if{.format = trace.format,
                 .requests = trace.requests.size(),
                 .prompt_tokens = trace.prompt_tokens(),
                 .has_reuse = trace.has_reuse};
  const auto span =
      static_cast<double>(trace.requests.back().arrival - trace.requests.front().arrival);
  const StepForecast as_planned(shape, times, plan.kv_format, question.pace);
  const VirtualRates rates = RatesOf(shape, times, as_planned);
  const double read_ms =
      1000 * static_cast<double>(what_if.prompt_tokens) / rates.prefill_tokens_per_s;
  const double speed = options.load > 0 && span > 0 ? options.load * span / read_ms : 1;
  what_if.hours = span / speed / 3.6e6;
  what_if.load = span > 0 ? read_ms * speed / span : 0;
  for (const Variant& variant : VariantsOf(plan)) {
    const StepForecast forecast(shape, times, variant.format, question.pace);
    ServingOptions serving =
        OptionsOf(question, RatesOf(shape, times, forecast), variant.kv_tokens);
    if (serving.capacity_tokens < serving.block_tokens) continue;
    serving.speed = speed;
    serving.progress = [&](uint64_t done) {
      options.progress(static_cast<double>(done) / static_cast<double>(what_if.requests),
                       variant.name);
    };
    what_if.rows.push_back({variant.name, serving.capacity_tokens, Serve(trace, serving)});
  }
  return what_if;
}

std::string WhatIfTable(const WhatIf& what_if) {
  std::string text = fmt::format(
      "\na {} trace of {} requests in {:.3g} h, {:.3g} million prompt tokens: reading each anew "
      "would take {:.0f} % of the time\n",
      what_if.format, what_if.requests, what_if.hours,
      static_cast<double>(what_if.prompt_tokens) / 1e6, 100 * what_if.load);
  if (!what_if.has_reuse) text += "It does not say what texts have in common: nothing can hit.\n";
  const std::back_insert_iterator<std::string> out(text);
  fmt::format_to(out, "{:<22}{:>12}{:>8}{:>12}{:>10}{:>10}{:>10}{:>12}\n", "what if", "KV tokens",
                 "hits", "TTFT p50", "p95", "p99", "refused", "preempted");
  for (const WhatIfRow& row : what_if.rows) {
    const ServingResult& result = row.result;
    const auto at = [&](double share) { return fmt::format("{:.2f} s", Seconds(result, share)); };
    fmt::format_to(out, "  {:<20}{:>12}{:>8}{:>12}{:>10}{:>10}{:>10}{:>12}\n", row.name,
                   row.kv_tokens, fmt::format("{:.1f} %", 100 * result.hit_ratio()), at(0.5),
                   at(0.95), at(0.99), result.refused, result.preemptions);
  }
  if (what_if.load > 1) {
    text += "The machine cannot read that much: what hits do not save has to wait or is refused.\n";
  }
  return text;
}

std::string WhatIfJson(const WhatIf& what_if) {
  nlohmann::json rows = nlohmann::json::array();
  for (const WhatIfRow& row : what_if.rows) {
    const ServingResult& result = row.result;
    rows.push_back({{"name", row.name},
                    {"kv_tokens", row.kv_tokens},
                    {"token_hit_ratio", result.hit_ratio()},
                    {"ttft_p50_seconds", Seconds(result, 0.5)},
                    {"ttft_p95_seconds", Seconds(result, 0.95)},
                    {"ttft_p99_seconds", Seconds(result, 0.99)},
                    {"served", result.ttft_ms.size()},
                    {"refused", result.refused},
                    {"preemptions", result.preemptions},
                    {"virtual_seconds", result.seconds}});
  }
  const nlohmann::json object{{"format", what_if.format},
                              {"requests", what_if.requests},
                              {"prompt_tokens", what_if.prompt_tokens},
                              {"hours", what_if.hours},
                              {"load", what_if.load},
                              {"rows", std::move(rows)}};
  return object.dump(2);
}

}  // namespace quire
