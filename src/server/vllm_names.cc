// The metrics that vLLM has as well, for dashboards made for it.
#include <algorithm>
#include <string_view>

#include "server/server_metrics.h"

namespace quire {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::pair<std::string_view, std::string_view> kSameMeaning[] = {
    {"quire_requests_running", "vllm:num_requests_running"},
    {"quire_requests_waiting", "vllm:num_requests_waiting"},
    {"quire_preemptions_total", "vllm:num_preemptions_total"},
    {"quire_generated_tokens_total", "vllm:generation_tokens_total"},
    {"quire_time_to_first_token_seconds", "vllm:time_to_first_token_seconds"},
    {"quire_time_per_output_token_seconds", "vllm:request_time_per_output_token_seconds"},
    {"quire_inter_token_seconds", "vllm:inter_token_latency_seconds"},
    {"quire_request_queue_seconds", "vllm:request_queue_time_seconds"},
    {"quire_choices_total", "vllm:request_success_total"},
};

const MetricFamily* Find(const std::vector<MetricFamily>& families, std::string_view name) {
  const auto found = std::find_if(families.begin(), families.end(),
                                  [&](const MetricFamily& family) { return family.name == name; });
  return found == families.end() ? nullptr : &*found;
}

std::string LabelOf(const ClientMetric& metric, std::string_view name) {
  for (const auto& label : metric.label) {
    if (label.name == name) return label.value;
  }
  return {};
}

MetricFamily One(std::string name, MetricType type, double value) {
  MetricFamily family{std::move(name), {}, type, {}};
  ClientMetric metric;
  if (type == MetricType::Counter) metric.counter.value = value;
  if (type == MetricType::Gauge) metric.gauge.value = value;
  family.metric.push_back(std::move(metric));
  return family;
}

void AddPromptTokens(const std::vector<MetricFamily>& families, std::vector<MetricFamily>& out) {
  const MetricFamily* tokens = Find(families, "quire_prompt_tokens_total");
  if (tokens == nullptr) return;
  double all = 0;
  double cached = 0;
  for (const ClientMetric& metric : tokens->metric) {
    all += metric.counter.value;
    if (LabelOf(metric, "source") != "computed") cached += metric.counter.value;
  }
  out.push_back(One("vllm:prompt_tokens_total", MetricType::Counter, all));
  out.push_back(One("vllm:prefix_cache_queries_total", MetricType::Counter, all));
  out.push_back(One("vllm:prefix_cache_hits_total", MetricType::Counter, cached));
}

void AddCacheUsage(const std::vector<MetricFamily>& families, std::vector<MetricFamily>& out) {
  const MetricFamily* blocks = Find(families, "quire_kv_blocks");
  if (blocks == nullptr) return;
  double all = 0;
  double live = 0;
  for (const ClientMetric& metric : blocks->metric) {
    all += metric.gauge.value;
    if (LabelOf(metric, "state") == "live") live += metric.gauge.value;
  }
  out.push_back(One("vllm:kv_cache_usage_perc", MetricType::Gauge, all > 0 ? live / all : 0));
}

}  // namespace

std::vector<MetricFamily> WithVllmNames(const std::vector<MetricFamily>& families,
                                        const std::string& model_name) {
  std::vector<MetricFamily> out;
  for (const auto& [ours, theirs] : kSameMeaning) {
    const MetricFamily* family = Find(families, ours);
    if (family == nullptr) continue;
    out.push_back(*family);
    out.back().name = theirs;
  }
  AddPromptTokens(families, out);
  AddCacheUsage(families, out);
  for (MetricFamily& family : out) {
    for (ClientMetric& metric : family.metric) {
      for (auto& label : metric.label) {
        if (label.name == "finish_reason") label.name = "finished_reason";
      }
      metric.label.push_back({"model_name", model_name});
      metric.label.push_back({"engine", "0"});
    }
  }
  return out;
}

}  // namespace quire
