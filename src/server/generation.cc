#include "server/generation.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "server/http/wake_up.h"
#include "server/openai/error_body.h"
#include "server/service.h"

namespace quire {

namespace asio = boost::asio;

namespace {

// One write takes at most about this much, so that a burst of tokens is not held in one piece.
constexpr size_t kWriteBytes = size_t{64} << 10;

constexpr double kMsPerSecond = 1000;
// In a silent stream (a long prompt is being read) a comment shows that the server is alive.
constexpr auto kSilence = std::chrono::seconds(15);

// The engine's side of one HTTP request: one submission per prompt, all cancelled if it goes.
class Submissions {
 public:
  Submissions(const GenerationContext& context, std::string_view request_id)
      : engine_(context.engine),
        metrics_(context.metrics),
        entry_(context.entry),
        running_(context.running),
        request_id_(request_id) {}
  ~Submissions() { Cancel(); }
  Submissions(const Submissions&) = delete;
  Submissions& operator=(const Submissions&) = delete;

  Status Add(GenerationRequest request, std::function<void()> notify) {
    auto queue = std::make_shared<EventQueue>(notify);
    const std::string tenant = request.tenant;
    Forecast forecast;
    // What may find no memory comes before the engine has it: nobody would cancel it.
    ids_.reserve(ids_.size() + 1);
    forecasts_.reserve(ids_.size() + 1);
    queues_.reserve(ids_.size() + 1);
    if (entry_ != nullptr) entry_->Follow(request, engine_);
    QUIRE_TRY(const RequestId id, engine_.Submit(std::move(request), queue, &forecast));
    if (entry_ != nullptr) entry_->NoteAdmitted(forecast);
    ids_.push_back(id);
    forecasts_.push_back(forecast);
    queues_.push_back(std::move(queue));
    if (running_ != nullptr) {
      auto revoke = [this, wake = std::move(notify)] {
        revoked_ = true;
        for (const RequestId one : ids_) engine_.Cancel(one);
        wake();
      };
      running_->Add(id, {tenant, request_id_, std::move(revoke)});
    }
    return {};
  }

  // Hands what has happened to the answer; false once nothing more is there for now.
  bool Move(AnswerWriter& answer, std::string& out) {
    for (size_t i = 0; i < queues_.size(); ++i) {
      while (auto event = queues_[i]->Pop()) {
        if (const auto* done = std::get_if<DoneEvent>(&*event)) NoteWait(i, *done);
        answer.Take(static_cast<uint32_t>(i), *std::move(event), out);
        if (out.size() >= kWriteBytes) return true;
      }
    }
    return false;
  }

  // Of the first: the others wait for it, and for each other.
  void AddVerdict(HttpResponse& head) const {
    if (forecasts_.empty()) return;
    const Forecast& forecast = forecasts_.front();
    head.headers.emplace_back("X-Quire-Queue-Position", std::to_string(forecast.position));
    if (!forecast.wait_seconds) return;
    const auto wait_ms = static_cast<uint64_t>(std::ceil(*forecast.wait_seconds * kMsPerSecond));
    head.headers.emplace_back("X-Quire-Estimated-Wait-Ms", std::to_string(wait_ms));
  }

  void Cancel() {
    for (const RequestId id : ids_) engine_.Cancel(id);
    Finished();
  }

  void Finished() {
    for (const RequestId id : ids_) {
      if (running_ != nullptr) running_->Remove(id);
    }
    ids_.clear();
  }

  bool revoked() const { return revoked_; }  // somebody else than the client has ended it

 private:
  // Those that never began waited for something else.
  void NoteWait(size_t i, const DoneEvent& done) {
    if (done.receipt.cached_tokens + done.receipt.computed_tokens == 0) return;
    const double now =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    metrics_.exemplars().Note(done.receipt, engine_.stats().block_bytes, request_id_, now);
    const std::optional<double> told = forecasts_[i].wait_seconds;
    if (told) metrics_.WaitedInstead(*told, done.receipt.queue_ms / kMsPerSecond);
  }

  Engine& engine_;
  ServerMetrics& metrics_;
  const LedgerEntryPtr entry_;
  RunningRequests* const running_;
  const std::string request_id_;
  bool revoked_ = false;
  std::vector<RequestId> ids_;
  std::vector<Forecast> forecasts_;
  std::vector<std::shared_ptr<EventQueue>> queues_;
};

HttpResponse StreamHead() {
  HttpResponse head;
  head.content_type = "text/event-stream; charset=utf-8";
  head.headers.emplace_back("Cache-Control", "no-cache");
  head.headers.emplace_back("X-Accel-Buffering", "no");
  return head;
}

Error CutError() {
  return {ErrorCode::kUnavailable, "the server is shutting down; try again elsewhere", {}};
}

Outcome OutcomeOf(const Error& error) {
  const int status = ToApiError(error).status;
  if (error.code == ErrorCode::kNeverFits || status == 429 || status == 503) {
    return Outcome::kRejected;
  }
  return status < 500 ? Outcome::kInvalid : Outcome::kFailed;
}

// Everything while an answer is under way. Members are references to the coroutine's variables.
struct Run {
  Exchange& exchange;
  GenerationContext& context;
  Submissions& submissions;
  AnswerWriter& answer;
  WakeUp& wake;
  // Of an answer that broke.
  std::string_view verdict = {};
  int status = 0;  // as it was sent

  bool streams() const { return answer.streams(); }
  asio::awaitable<Outcome> Pump();
  asio::awaitable<Outcome> Stalled();
  asio::awaitable<Outcome> Revoked();
  asio::awaitable<Outcome> Broken(Error error, Outcome outcome);
  asio::awaitable<Outcome> Complete();
};

asio::awaitable<Outcome> Run::Stalled() {
  submissions.Cancel();
  std::string last_words;
  answer.Break({408,
                "client_error",
                "stalled",
                "cancelled: the client did not read its answer for " +
                    std::to_string(context.stall_seconds) + " s (--stall-seconds)",
                {}},
               last_words);
  co_await exchange.EndStalled(last_words);
  co_return Outcome::kStalled;
}

// Neither a 409 nor a 5xx: clients would ask again by themselves.
asio::awaitable<Outcome> Run::Revoked() {
  submissions.Cancel();
  ApiError error{499,
                 "client_error",
                 "revoked",
                 "cancelled on request of an operator, or of another client of this tenant",
                 {}};
  if (streams()) {
    std::string event;
    answer.Break(error, event);
    co_await exchange.Write(event);
    co_await exchange.EndStream();
  } else {
    HttpResponse response;
    response.status = error.status;
    response.body = ErrorBody(error);
    response.error = std::move(error);
    co_await exchange.Respond(std::move(response));
  }
  co_return Outcome::kRevoked;
}

asio::awaitable<Outcome> Run::Broken(Error error, Outcome outcome) {
  submissions.Cancel();
  verdict = ToApiError(error).code;
  status = streams() ? 200 : ToApiError(error).status;
  if (!streams()) {
    HttpResponse response = ToResponse(error, context.engine.RetryAfterSeconds());
    co_await exchange.Respond(std::move(response));
    co_return outcome;
  }
  std::string event;
  answer.Break(ToApiError(error), event);
  co_await exchange.Write(event);
  co_await exchange.EndStream();
  co_return outcome;
}

asio::awaitable<Outcome> Run::Complete() {
  submissions.Finished();
  if (context.settle) {
    const Status settled = co_await context.settle();
    if (!settled) co_return co_await Broken(settled.error(), Outcome::kFailed);
  }
  std::string out;
  answer.End(out);
  for (const std::string_view reason : answer.finish_reasons()) {
    context.metrics.CountFinish(reason);
  }
  if (streams()) {
    const IoEnd end = co_await exchange.Write(out);
    if (end == IoEnd::kTimeout) co_return co_await Stalled();
    co_await exchange.EndStream();
  } else {
    HttpResponse response;
    submissions.AddVerdict(response);
    response.body = std::move(out);
    co_await exchange.Respond(std::move(response));
  }
  co_return exchange.gone() ? Outcome::kCancelled : Outcome::kOk;
}

asio::awaitable<Outcome> Run::Pump() {
  std::string out;
  answer.Begin(out);
  auto last_write = std::chrono::steady_clock::now();
  for (;;) {
    // Before the events that say so: an answer must not look as if it had ended by itself.
    if (submissions.revoked()) co_return co_await Revoked();
    const bool more = submissions.Move(answer, out);
    const auto now = std::chrono::steady_clock::now();
    if (streams() && out.empty() && now - last_write >= kSilence) out = answer.still_here();
    if (streams() && !out.empty()) {
      const IoEnd end = co_await exchange.Write(out);
      out.clear();
      last_write = now;
      if (end == IoEnd::kTimeout) co_return co_await Stalled();
    }
    if (exchange.gone()) co_return Outcome::kCancelled;
    if (answer.failed()) {
      Error error = answer.error();
      co_return co_await Broken(std::move(error), Outcome::kFailed);
    }
    if (answer.done()) co_return co_await Complete();
    if (exchange.cut()) co_return co_await Broken(CutError(), Outcome::kCut);
    if (!more) co_await wake.Wait(kSilence);
  }
}

// What the ledger says of an answer that was begun.
LedgerEntry::End EndOf(Outcome outcome, const Run& run) {
  const int sent = run.streams() ? 200 : 0;
  switch (outcome) {
    case Outcome::kOk: {
      const auto reasons = run.answer.finish_reasons();
      const bool cut = std::ranges::find(reasons, "length") != reasons.end();
      return {cut ? LedgerOutcome::kLength : LedgerOutcome::kFinished};
    }
    case Outcome::kCancelled:
      return {LedgerOutcome::kCancelled, "client_left", sent};
    case Outcome::kStalled:
      return {LedgerOutcome::kCancelled, "stalled", sent};
    case Outcome::kRevoked:
      return {LedgerOutcome::kCancelled, "revoked", run.streams() ? 200 : 499};
    case Outcome::kCut:
      return {LedgerOutcome::kCancelled, "draining", run.status};
    default:
      return {LedgerOutcome::kError, std::string(run.verdict), run.status};
  }
}

}  // namespace

asio::awaitable<Outcome> Generate(Exchange& exchange, GenerationContext context,
                                  PreparedGeneration prepared) {
  const auto wake = std::make_shared<WakeUp>(exchange.executor());
  Submissions submissions(context, exchange.request().request_id);
  for (GenerationRequest& request : prepared.requests) {
    const Status added = submissions.Add(std::move(request), wake->Remote());
    if (added) continue;
    if (context.entry != nullptr) context.entry->Refuse(added.error());
    HttpResponse response = ToResponse(added.error(), context.engine.RetryAfterSeconds());
    co_await exchange.Respond(std::move(response));
    co_return OutcomeOf(added.error());
  }
  exchange.Watch([wake] { wake->Notify(); });
  if (prepared.answer->streams()) {
    if (context.entry != nullptr) context.entry->NoteStream();
    HttpResponse head = StreamHead();
    submissions.AddVerdict(head);
    co_await exchange.BeginStream(std::move(head));
  }
  Run run{exchange, context, submissions, *prepared.answer, *wake};
  const Outcome outcome = co_await run.Pump();
  if (context.entry != nullptr) context.entry->Finish(EndOf(outcome, run));
  co_return outcome;
}

}  // namespace quire
