// What programs read of a bench. Times in seconds, amounts in bytes, shares of 1.
#include <nlohmann/json.hpp>

#include "apps/bench/bench_result.h"

namespace quire {
namespace {

using Json = nlohmann::ordered_json;

template <typename Pick>
Json Rates(const BenchResult& result, const Pick& pick) {
  Samples one, all;
  for (const MachinePeaks& peaks : result.peaks) {
    one.push_back(pick(peaks).one_core);
    all.push_back(pick(peaks).all_cores);
  }
  return {{"one_core", Median(one)},
          {"all_cores", Median(all)},
          {"one_core_samples", one},
          {"all_cores_samples", all}};
}

Json Peaks(const BenchResult& result) {
  Samples barriers;
  for (const MachinePeaks& peaks : result.peaks) barriers.push_back(peaks.barrier_seconds);
  return {{"isa", result.setting.peak_isa},
          {"dot_ops_per_second", Rates(result, [](const auto& peaks) { return peaks.dot; })},
          {"fma_ops_per_second", Rates(result, [](const auto& peaks) { return peaks.fma; })},
          {"read_bytes_per_second_huge_pages",
           Rates(result, [](const auto& peaks) { return peaks.read_huge; })},
          {"read_bytes_per_second_small_pages",
           Rates(result, [](const auto& peaks) { return peaks.read_small; })},
          {"barrier_seconds", Median(barriers)}};
}

Json Setting(const BenchSetting& setting) {
  return {{"versions",
           {{"quire", setting.version},
            {"compiler", setting.compiler},
            {"isa", setting.isa},
            {"numerics", setting.numerics}}},
          {"machine", {{"cpu", setting.cpu}, {"system", setting.system}}},
          {"model",
           {{"file", setting.model_file},
            {"name", setting.model_name},
            {"architecture", setting.architecture},
            {"digest", setting.digest}}},
          {"threads", setting.threads},
          {"pin_threads", setting.pinned},
          {"kv_format", setting.kv_format},
          {"chunk_tokens", setting.chunk_tokens}};
}

Json Phases(const CaseFigures& figures) {
  Json share = Json::object();
  for (size_t phase = 0; phase < kPassPhases; ++phase) {
    share[PassPhaseName(static_cast<PassPhase>(phase))] = figures.phases[phase];
  }
  return {{"share", share},
          {"outside_kernels", figures.outside_kernels},
          {"barriers_per_pass", figures.barriers}};
}

Json Case(const BenchResult& result, const CaseResult& one) {
  const BenchCase& bench = one.bench;
  const CaseFigures figures = FiguresOf(result, one);
  return {{"kind", bench.prefill() ? "prefill" : "decode"},
          {"tokens", bench.tokens},
          {"depth", bench.depth},
          {"clients", bench.sequences()},
          {"shared_prefix", bench.shared_prefix},
          {"tokens_per_second", figures.tokens_per_second},
          {"samples", figures.samples},
          {"seconds", one.seconds},
          {"of_dot_peak", figures.dot_share},
          {"of_read_bandwidth", figures.read_share},
          {"of_limit", figures.limit_share},
          {"attention_of_arithmetic", figures.attention_part},
          {"attention_of_peak", figures.attention_peak_share},
          {"phases", Phases(figures)},
          {"matrix_ops", one.cost.dot_ops + one.cost.float_ops},
          {"attention_ops", one.cost.attention_ops + one.cost.score_dot_ops},
          {"weight_bytes", one.cost.weight_bytes},
          {"kv_bytes", one.cost.kv_bytes}};
}

Json Memory(const BenchMemory& memory) {
  return {{"file_bytes", memory.file_bytes},
          {"weight_bytes", memory.weight_bytes},
          {"kv_bytes", memory.kv_bytes},
          {"buffer_bytes", memory.buffer_bytes},
          {"peak_resident_bytes", memory.peak_resident_bytes}};
}

// The first case of each kind under a name of its own: what most readers came for.
void AddHeadlines(const BenchResult& result, Json& json) {
  json["prefill_tokens_per_second"] = nullptr;
  json["prefill_tokens_per_second_samples"] = Json::array();
  json["decode_tokens_per_second"] = nullptr;
  json["decode_tokens_per_second_samples"] = Json::array();
  json["ratios"] = {{"prefill_of_dot_peak", nullptr}, {"decode_of_read_bandwidth", nullptr}};
  for (const CaseResult& one : result.cases) {
    const std::string rate =
        one.bench.prefill() ? "prefill_tokens_per_second" : "decode_tokens_per_second";
    if (!json[rate].is_null()) continue;
    const CaseFigures figures = FiguresOf(result, one);
    json[rate] = figures.tokens_per_second;
    json[rate + "_samples"] = figures.samples;
    if (one.bench.prefill()) json["ratios"]["prefill_of_dot_peak"] = figures.dot_share;
    if (!one.bench.prefill()) json["ratios"]["decode_of_read_bandwidth"] = figures.read_share;
  }
}

}  // namespace

std::string BenchJson(const BenchResult& result) {
  Json json = Json::object();
  AddHeadlines(result, json);
  json["peaks"] = Peaks(result);
  json["memory"] = Memory(result.memory);
  json["cases"] = Json::array();
  for (const CaseResult& one : result.cases) json["cases"].push_back(Case(result, one));
  json.update(Setting(result.setting));
  json["cores_busy_with_other_work"] = result.other_cores;
  json["repetitions"] = result.peaks.size();
  return json.dump(2) + "\n";
}

}  // namespace quire
