#include "server/metrics/open_metrics.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <limits>

namespace quire {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::string_view kTotal = "_total";

std::string NumberText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

void AppendEscaped(std::string_view text, std::string& out) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
}

void AppendLabel(std::string_view name, std::string_view value, bool first, std::string& out) {
  out.append(first ? "" : ",").append(name).append("=\"");
  AppendEscaped(value, out);
  out += '"';
}

// Name and labels of a line; `le` empty: none.
void AppendSeries(std::string_view name, const ClientMetric& metric, std::string_view le,
                  std::string& out) {
  out.append(name);
  if (metric.label.empty() && le.empty()) return;
  out += '{';
  bool first = true;
  for (const ClientMetric::Label& label : metric.label) {
    AppendLabel(label.name, label.value, first, out);
    first = false;
  }
  if (!le.empty()) AppendLabel("le", le, first, out);
  out += '}';
}

void AppendValue(std::string_view name, const ClientMetric& metric, double value,
                 std::string& out) {
  AppendSeries(name, metric, {}, out);
  fmt::format_to(std::back_inserter(out), " {}\n", NumberText(value));
}

void AppendHistogram(const MetricFamily& family, const ClientMetric& metric,
                     const Exemplars* exemplars, std::string& out) {
  double above = -std::numeric_limits<double>::infinity();
  for (const ClientMetric::Bucket& bucket : metric.histogram.bucket) {
    std::string le = NumberText(bucket.upper_bound);
    if (le.find_first_of(".eI") == std::string::npos) le += ".0";
    AppendSeries(family.name + "_bucket", metric, le, out);
    fmt::format_to(std::back_inserter(out), " {}", bucket.cumulative_count);
    const auto exemplar = exemplars == nullptr
                              ? std::nullopt
                              : exemplars->Find(family.name, above, bucket.upper_bound);
    if (exemplar) {
      out += " # {";
      AppendLabel("request_id", exemplar->request_id, true, out);
      fmt::format_to(std::back_inserter(out), "}} {} {:.3f}", NumberText(exemplar->value),
                     exemplar->at_seconds);
    }
    out += '\n';
    above = bucket.upper_bound;
  }
  AppendValue(family.name + "_count", metric, static_cast<double>(metric.histogram.sample_count),
              out);
  AppendValue(family.name + "_sum", metric, metric.histogram.sample_sum, out);
}

void AppendFamily(const MetricFamily& family, const Exemplars* exemplars, std::string& out) {
  std::string_view name = family.name;
  const char* type = "unknown";
  if (family.type == MetricType::Counter && name.ends_with(kTotal)) {
    type = "counter";
    name.remove_suffix(kTotal.size());
  } else if (family.type == MetricType::Gauge) {
    type = "gauge";
  } else if (family.type == MetricType::Histogram) {
    type = "histogram";
  }
  out.append("# TYPE ").append(name).append(" ").append(type).append("\n");
  if (!family.help.empty()) {
    out.append("# HELP ").append(name).append(" ");
    AppendEscaped(family.help, out);
    out += '\n';
  }
  for (const ClientMetric& metric : family.metric) {
    if (family.type == MetricType::Histogram) {
      AppendHistogram(family, metric, exemplars, out);
    } else {
      const bool counts = family.type == MetricType::Counter;
      AppendValue(family.name, metric, counts ? metric.counter.value : metric.gauge.value, out);
    }
  }
}

}  // namespace

bool WantsOpenMetrics(std::string_view accept) {
  return accept.find("application/openmetrics-text") != std::string_view::npos;
}

std::string OpenMetricsText(const std::vector<MetricFamily>& families, const Exemplars* exemplars) {
  std::string out;
  for (const MetricFamily& family : families) AppendFamily(family, exemplars, out);
  return out + "# EOF\n";
}

}  // namespace quire
