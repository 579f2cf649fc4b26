#include "server/metrics/open_metrics.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

TEST(OpenMetrics, NamesCountersWithoutTheirEnding) {
  MetricFamily family{"quire_x_total", "Things, \"quoted\"", MetricType::Counter, {}};
  ClientMetric metric;
  metric.label = {{"tenant", "a\"b\\c\nd"}};
  metric.counter.value = 3;
  family.metric.push_back(metric);
  EXPECT_EQ(OpenMetricsText({family}, nullptr),
            "# TYPE quire_x counter\n# HELP quire_x Things, \\\"quoted\\\"\n"
            "quire_x_total{tenant=\"a\\\"b\\\\c\\nd\"} 3\n# EOF\n");
}

TEST(OpenMetrics, BucketsCarryARequestThatIsInThem) {
  MetricFamily family{"quire_request_queue_seconds", "", MetricType::Histogram, {}};
  ClientMetric metric;
  metric.histogram.sample_count = 3;
  metric.histogram.sample_sum = 1.5;
  metric.histogram.bucket = {{1, 0.25}, {2, 1}, {3, std::numeric_limits<double>::infinity()}};
  family.metric.push_back(metric);
  Exemplars exemplars;
  Receipt receipt;
  receipt.queue_ms = 500;
  exemplars.Note(receipt, 1, "old", 10);
  receipt.queue_ms = 750;
  exemplars.Note(receipt, 1, "req-1", 11);
  exemplars.Note(receipt, 1, std::string(119, 'x'), 12);  // would be too long
  receipt.queue_ms = 5000;
  exemplars.Note(receipt, 1, "slow\"", 13);
  EXPECT_EQ(
      OpenMetricsText({family}, &exemplars),
      "# TYPE quire_request_queue_seconds histogram\n"
      "quire_request_queue_seconds_bucket{le=\"0.25\"} 1\n"
      "quire_request_queue_seconds_bucket{le=\"1.0\"} 2 # {request_id=\"req-1\"} 0.75 11.000\n"
      "quire_request_queue_seconds_bucket{le=\"+Inf\"} 3 # {request_id=\"slow\\\"\"} 5 13.000\n"
      "quire_request_queue_seconds_count 3\nquire_request_queue_seconds_sum 1.5\n# EOF\n");
}

TEST(OpenMetrics, IsGivenToWhoReadsIt) {
  EXPECT_TRUE(
      WantsOpenMetrics("application/openmetrics-text;version=1.0.0;q=0.75,text/plain;q=0.5"));
  EXPECT_FALSE(WantsOpenMetrics("text/plain;version=0.0.4"));
  EXPECT_FALSE(WantsOpenMetrics(""));
}

}  // namespace
}  // namespace quire
