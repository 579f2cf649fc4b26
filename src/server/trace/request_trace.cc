#include "server/trace/request_trace.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "engine/timeline.h"

namespace quire {
namespace {

// Builds the spans of one trace; the first is the request's.
class SpanTree {
 public:
  SpanTree(const RequestTrace& trace, Span root) : trace_(trace) {
    root.begin_ns = trace.began_ns;
    root.end_ns = std::max(root.begin_ns, Unix(trace.ended_seconds));
    spans_.push_back(std::move(root));
  }

  // The span is at its place until the next one is added.
  Span& Add(std::string_view name, const SpanId& parent, double begin, double end) {
    Span& span = spans_.emplace_back();
    span.trace = trace_.context.trace;
    span.id = FreshSpanId();
    span.parent = parent;
    span.name = std::string(name);
    span.begin_ns = Unix(begin);
    span.end_ns = std::max(span.begin_ns, Unix(end));
    spans_.front().begin_ns = std::min(spans_.front().begin_ns, span.begin_ns);
    spans_.front().end_ns = std::max(spans_.front().end_ns, span.end_ns);
    return span;
  }

  std::vector<Span> Take() { return std::move(spans_); }

 private:
  int64_t Unix(double seconds) const {
    constexpr double kNs = 1e9;
    return trace_.began_ns + std::llround((seconds - trace_.began_seconds) * kNs);
  }

  const RequestTrace& trace_;
  std::vector<Span> spans_;
};

void Describe(const LedgerRow& row, Span& span) {
  span.Set("quire.request_id", row.request_id);
  span.Set("quire.tenant", row.tenant);
  span.Set("quire.route", row.route);
  span.Set("quire.version", row.version);
  span.Set("quire.retry_of", row.retry_of);
  span.Set("quire.outcome", std::string(LedgerOutcomeName(row.outcome)));
  span.Set("quire.verdict", row.verdict);
  span.Set("quire.stream", row.stream);
  span.SetCount("quire.choices", row.choices);
  span.SetCount("quire.tokens.prompt", row.tokens.prompt);
  span.SetCount("quire.tokens.ram", row.tokens.ram);
  span.SetCount("quire.tokens.disk", row.tokens.disk);
  span.SetCount("quire.tokens.remote", row.tokens.remote);
  span.SetCount("quire.tokens.computed", row.tokens.computed);
  span.SetCount("quire.tokens.generated", row.tokens.generated);
  span.SetCount("quire.preemptions", row.preemptions);
  span.SetCount("quire.missed_blocks", row.missed_blocks());
  span.SetCount("quire.kv.peak_blocks", row.kv.peak_blocks);
  span.Set("gen_ai.response.model", row.model);
  span.SetCount("gen_ai.usage.input_tokens", row.tokens.prompt);
  span.SetCount("gen_ai.usage.output_tokens", row.tokens.generated);
  if (row.status != 0) span.SetCount("http.response.status_code", row.status);
  span.failed = row.outcome == LedgerOutcome::kError;
  if (span.failed) span.failure = row.verdict;
}

// Until it was started: what of that was no reading from the disk is waiting.
void AddWaiting(const Timeline& line, const SpanId& root, SpanTree& tree) {
  const double started = line.started < 0 ? line.ended : line.started;
  double at = line.arrived;
  for (const TimePiece& piece : line.onboards) {
    if (piece.begin >= started) break;
    if (piece.begin > at) tree.Add("queue", root, at, piece.begin);
    at = std::max(at, piece.end);
  }
  if (at < started || line.onboards.empty()) tree.Add("queue", root, at, started);
  for (const TimePiece& piece : line.onboards) {
    tree.Add("onboard", root, piece.begin, piece.end).SetCount("quire.tokens.disk", piece.tokens);
  }
}

void AddPieces(std::string_view name, const std::vector<TimePiece>& pieces,
               const std::pair<double, double>& between, const SpanId& parent, SpanTree& tree) {
  for (const TimePiece& piece : pieces) {
    if (piece.begin < between.first || piece.begin >= between.second) continue;
    Span& span = tree.Add(name, parent, piece.begin, piece.end);
    span.SetCount("quire.choice", piece.choice);
    if (piece.tokens == 0) continue;
    span.SetCount("quire.tokens.computed", piece.tokens);
    span.SetCount("quire.steps", piece.steps);
  }
}

void AddWork(const Receipt& receipt, const SpanId& root, SpanTree& tree) {
  const Timeline& line = *receipt.timeline;
  AddWaiting(line, root, tree);
  if (line.started < 0) return;
  const bool answered = line.first_token >= 0;
  const double first = answered ? line.first_token : line.ended;
  Span& prefill = tree.Add("prefill", root, line.started, first);
  prefill.SetCount("quire.tokens.computed", receipt.computed_tokens);
  prefill.SetCount("quire.tokens.ram", receipt.ram_tokens());
  if (line.untold > 0) prefill.SetCount("quire.untold_pieces", line.untold);
  const SpanId reading = prefill.id;
  const auto before = std::pair(-HUGE_VAL, answered ? first : HUGE_VAL);
  AddPieces("chunk", line.chunks, before, reading, tree);
  AddPieces("preempted", line.preemptions, before, reading, tree);
  if (!answered) return;
  const auto after = std::pair(first, HUGE_VAL);
  double last = std::max(line.last_token, first);
  for (const auto* pieces : {&line.chunks, &line.preemptions}) {
    if (!pieces->empty()) last = std::max(last, pieces->back().end);
  }
  Span& decode = tree.Add("decode", root, first, last);
  decode.SetCount("quire.tokens.generated", receipt.generated_tokens);
  const SpanId writing = decode.id;
  AddPieces("chunk", line.chunks, after, writing, tree);
  AddPieces("preempted", line.preemptions, after, writing, tree);
}

}  // namespace

size_t RequestTrace::bytes() const {
  size_t all = sizeof(RequestTrace) + receipts.capacity() * sizeof(Receipt);
  for (const std::string* text :
       {&row.request_id, &row.tenant, &row.api, &row.model, &row.numerics, &row.route, &row.version,
        &row.retry_of, &row.verdict, &row.arms}) {
    all += text->capacity();
  }
  for (const Receipt& receipt : receipts) all += receipt.timeline != nullptr ? kTimelineBytes : 0;
  return all;
}

std::vector<Span> SpansOf(const RequestTrace& trace) {
  Span root;
  root.trace = trace.context.trace;
  root.id = trace.context.span;
  root.parent = trace.context.parent;
  root.parent_is_remote = trace.context.parent != kNoSpan;
  root.is_server = true;
  root.name = trace.row.api;
  Describe(trace.row, root);
  SpanTree tree(trace, std::move(root));
  for (const Receipt& receipt : trace.receipts) {
    if (receipt.timeline != nullptr) AddWork(receipt, trace.context.span, tree);
  }
  return tree.Take();
}

}  // namespace quire
