// A request as spans, and spans as JSON.
#include "server/trace/request_trace.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "engine/timeline.h"
#include "server/trace/otlp_json.h"

namespace quire {
namespace {

constexpr int64_t kBegan = 1'700'000'000'000'000'000;

Receipt Answered() {
  auto line = std::make_shared<Timeline>();
  line->arrived = 100.001;
  line->started = 100.010;
  line->first_token = 100.030;
  line->last_token = 100.090;
  line->ended = 100.091;
  line->onboards = {{100.002, 100.006, 512}};
  line->chunks = {{100.010, 100.020, 48}, {100.020, 100.030, 10}, {100.060, 100.070, 80}};
  line->preemptions = {{100.040, 100.060}};
  Receipt receipt;
  receipt.computed_tokens = 58;
  receipt.cached_tokens = 600;
  receipt.onboarded_tokens = 512;
  receipt.generated_tokens = 7;
  receipt.timeline = std::move(line);
  return receipt;
}

RequestTrace Trace(std::vector<Receipt> receipts) {
  RequestTrace trace;
  trace.context = BeginTrace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", 0);
  trace.row.request_id = "req-1";
  trace.row.tenant = "acme";
  trace.row.api = "chat/completions";
  trace.row.route = "support \"1\"";
  trace.row.tokens.disk = 512;
  trace.row.status = 200;
  trace.receipts = std::move(receipts);
  trace.began_seconds = 100;
  trace.ended_seconds = 100.095;
  trace.began_ns = kBegan;
  return trace;
}

int64_t At(double milliseconds) { return kBegan + static_cast<int64_t>(milliseconds * 1e6); }

// One root; each parent is told, and lasts as long as what is below it.
void CheckTree(const std::vector<Span>& spans) {
  std::map<SpanId, const Span*> by_id;
  for (const Span& span : spans) EXPECT_TRUE(by_id.emplace(span.id, &span).second);
  for (const Span& span : spans) {
    EXPECT_LE(span.begin_ns, span.end_ns);
    EXPECT_EQ(span.trace, spans[0].trace);
    if (&span == spans.data()) continue;
    ASSERT_TRUE(by_id.contains(span.parent)) << span.name;
    EXPECT_GE(span.begin_ns, by_id[span.parent]->begin_ns - 1000) << span.name;
    EXPECT_LE(span.end_ns, by_id[span.parent]->end_ns + 1000) << span.name;
    EXPECT_FALSE(span.is_server || span.parent_is_remote);
  }
}

std::string Outline(const std::vector<Span>& spans) {
  std::map<SpanId, std::string> names;
  std::string text;
  for (const Span& span : spans) {
    names[span.id] = span.name;
    text += (text.empty() ? "" : " ") + (&span == spans.data() ? "" : names[span.parent] + ">") +
            span.name;
  }
  return text;
}

TEST(RequestTrace, IsATree) {
  const RequestTrace trace = Trace({Answered()});
  const auto spans = SpansOf(trace);
  CheckTree(spans);
  EXPECT_EQ(Outline(spans),
            "chat/completions chat/completions>queue chat/completions>queue "
            "chat/completions>onboard chat/completions>prefill prefill>chunk prefill>chunk "
            "chat/completions>decode decode>chunk decode>preempted");
  EXPECT_EQ(spans[0].id, trace.context.span);
  EXPECT_EQ(Hex(spans[0].parent), "b7ad6b7169203331");
  EXPECT_TRUE(spans[0].is_server && spans[0].parent_is_remote);
  EXPECT_NEAR(spans[3].begin_ns, At(2), 1000);
  EXPECT_NEAR(spans[3].end_ns, At(6), 1000);
  EXPECT_NEAR(spans[0].end_ns, At(95), 1000);
}

TEST(RequestTrace, OfWhoeverDidNotBegin) {
  EXPECT_EQ(Outline(SpansOf(Trace({}))), "chat/completions");
  auto line = std::make_shared<Timeline>();
  line->arrived = 100.001;
  line->ended = 100.2;
  Receipt waited;
  waited.timeline = line;
  const auto spans = SpansOf(Trace({waited}));
  EXPECT_EQ(Outline(spans), "chat/completions chat/completions>queue");
  CheckTree(spans);  // it ended in the engine after the client had left
}

TEST(RequestTrace, OfWhoeverWasCancelledInItsPrompt) {
  auto line = std::make_shared<Timeline>(*Answered().timeline);
  line->first_token = line->last_token = -1;
  line->onboards.clear();
  Receipt receipt;
  receipt.timeline = line;
  const auto spans = SpansOf(Trace({receipt}));
  CheckTree(spans);
  EXPECT_EQ(Outline(spans),
            "chat/completions chat/completions>queue chat/completions>prefill prefill>chunk "
            "prefill>chunk prefill>chunk prefill>preempted");
}

TEST(RequestTrace, OfErrorsSaysWhy) {
  RequestTrace trace = Trace({});
  trace.row.outcome = LedgerOutcome::kError;
  trace.row.verdict = "internal_error";
  trace.row.status = 500;
  const auto spans = SpansOf(trace);
  EXPECT_TRUE(spans[0].failed);
  EXPECT_EQ(spans[0].failure, "internal_error");
  trace.row.outcome = LedgerOutcome::kRefused;
  EXPECT_FALSE(SpansOf(trace)[0].failed) << "the client's mistake is none of the server's";
}

TEST(RequestTrace, KnowsItsSize) {
  const size_t none = Trace({}).bytes();
  EXPECT_GE(none, sizeof(RequestTrace));
  EXPECT_GE(Trace({Answered(), Answered()}).bytes(), none + 2 * kTimelineBytes);
}

TEST(OtlpJson, IsAsThePrescriptionSays) {
  const auto spans = SpansOf(Trace({Answered()}));
  const auto json = nlohmann::json::parse(WriteOtlp({"0.1.0", "here"}, spans));
  const auto& resource = json["resourceSpans"][0];
  EXPECT_EQ(resource["resource"]["attributes"][0],
            nlohmann::json::parse(R"({"key": "service.name", "value": {"stringValue": "quire"}})"));
  const auto& told = resource["scopeSpans"][0]["spans"];
  ASSERT_EQ(told.size(), spans.size());
  EXPECT_EQ(told[0]["traceId"], "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(told[0]["parentSpanId"], "b7ad6b7169203331");
  EXPECT_EQ(told[0]["kind"], 2);
  EXPECT_EQ(told[0]["flags"], 0x301);
  EXPECT_EQ(told[0]["startTimeUnixNano"], std::to_string(kBegan));
  EXPECT_EQ(told[1]["kind"], 1);
  EXPECT_EQ(told[1]["flags"], 0x101);
  std::map<std::string, nlohmann::json> attributes;
  for (const auto& one : told[0]["attributes"]) attributes[one["key"]] = one["value"];
  EXPECT_EQ(attributes["quire.tokens.disk"], nlohmann::json({{"intValue", "512"}}));
  EXPECT_EQ(attributes["quire.stream"], nlohmann::json({{"boolValue", false}}));
  EXPECT_EQ(attributes["quire.route"]["stringValue"], "support \"1\"");
  EXPECT_FALSE(attributes.contains("quire.verdict")) << "what is empty is left out";
  for (const auto& span : told) {
    EXPECT_EQ(span["spanId"].get<std::string>().size(), 16u);
    EXPECT_EQ(span["spanId"].get<std::string>().find_first_not_of("0123456789abcdef"),
              std::string::npos);
  }
}

TEST(OtlpJson, ARootWithoutParentHasNone) {
  RequestTrace trace = Trace({});
  trace.context = BeginTrace("", 1);
  const auto json = nlohmann::json::parse(WriteOtlp({}, SpansOf(trace)));
  const auto& span = json["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
  EXPECT_FALSE(span.contains("parentSpanId"));
  EXPECT_FALSE(span.contains("status"));
}

TEST(OtlpJson, WhatWasRejected) {
  EXPECT_EQ(RejectedSpans(""), 0);
  EXPECT_EQ(RejectedSpans("{}"), 0);
  EXPECT_EQ(RejectedSpans(R"({"partialSuccess": {}})"), 0);
  EXPECT_EQ(RejectedSpans(R"({"partialSuccess": {"rejectedSpans": "3"}})"), 3);
  EXPECT_EQ(RejectedSpans(R"({"partialSuccess": {"rejectedSpans": 4}})"), 4);
  for (const char* bad :
       {R"({"partialSuccess": {"rejectedSpans": "x"}})", "[1]", "\xff", "{",
        R"({"partialSuccess": {"rejectedSpans": -5}})",
        R"({"partialSuccess": {"rejectedSpans": {}}})", R"({"partialSuccess": 7})"}) {
    EXPECT_EQ(RejectedSpans(bad), 0) << bad;
  }
}

}  // namespace
}  // namespace quire
