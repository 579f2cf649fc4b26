#include "server/ledger/ledger_entry.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <string_view>
#include <utility>

#include "engine/active_request.h"
#include "server/levers/treatment.h"
#include "server/openai/error_body.h"
#include "server/openai/receipt.h"

namespace quire {
namespace {

constexpr double kMsPerSecond = 1000;

static_assert(kLedgerMisses.size() == kMissReasons);

consteval bool SameMissNames() {
  for (size_t i = 0; i < kMissReasons; ++i) {
    if (std::string_view(kLedgerMisses[i]) != kMissReasonNames[i]) return false;
  }
  return true;
}
static_assert(SameMissNames(), "the ledger's columns are those of the cache's reasons");

void FillIn(const Receipt& receipt, uint64_t block_bytes, LedgerRow& row) {
  row.tokens.prompt = receipt.prompt_tokens;
  row.tokens.ram = receipt.ram_tokens();
  row.tokens.disk = receipt.onboarded_tokens;
  row.tokens.remote = receipt.brought_tokens;
  row.tokens.computed = receipt.computed_tokens;
  row.tokens.generated = receipt.generated_tokens;
  row.ms.queue = receipt.queue_ms;
  row.ms.onboard = receipt.onboard_ms;
  row.ms.prefill = receipt.prefill_ms;
  row.ms.decode = receipt.decode_ms;
  row.ms.first_token = receipt.generated_tokens > 0 ? receipt.ttft_ms : 0;
  row.kv.peak_blocks = receipt.peak_blocks;
  row.kv.used_bytes = receipt.peak_blocks * block_bytes;
  row.kv.byte_seconds = receipt.block_seconds * static_cast<double>(block_bytes);
  row.preemptions = receipt.preemptions;
  std::ranges::copy(receipt.missed_blocks, row.missed.begin());
  row.evicted_ago_ms = receipt.evicted_ago_ms;
}

}  // namespace

LedgerEntry::LedgerEntry(Books books, LedgerRow row)
    : books_(std::move(books)), began_(SteadySeconds()), row_(std::move(row)) {}

// A request whose end nobody has told failed inside the server.
LedgerEntry::~LedgerEntry() {
  bool untold = is_traced();
  try {
    if (!finished_) Finish({LedgerOutcome::kError, "internal_error", 500});
    if (!receipts_.empty()) FillIn(Combine(receipts_), block_bytes_, row_);
    if (std::exchange(untold, false)) Trace();
    if (books_.ledger != nullptr) books_.ledger->Add(std::move(row_));
  } catch (const std::exception&) {  // no memory: neither is worth the server
    if (untold) books_.traces->Lose();
    if (books_.ledger != nullptr) books_.ledger->Lose();
  }
}

// With a clock of its own: a row's start is in milliseconds, and of a clock that may be set.
void LedgerEntry::Trace() noexcept {
  try {
    RequestTrace trace{books_.context, row_, std::move(receipts_), began_, ended_};
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    trace.began_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                         now - std::chrono::duration<double>(SteadySeconds() - began_))
                         .count();
    books_.traces->Add(std::move(trace));
  } catch (const std::exception&) {
    books_.traces->Lose();
  }
}

std::string LedgerEntry::traceparent() const {
  return books_.traces == nullptr ? std::string() : FormatTraceparent(books_.context);
}

void LedgerEntry::Follow(GenerationRequest& request, const Engine& engine) {
  NoteLabels(request.route, request.version);
  const uint64_t block_bytes = engine.stats().block_bytes;
  request.on_end = [self = shared_from_this(), block_bytes](const Receipt& receipt) {
    self->NoteReceipt(receipt, block_bytes);
  };
  const std::lock_guard lock(mutex_);
  request.want_timeline = is_traced() && followed_ < RequestTrace::kMostTimelines;
  receipts_.reserve(++followed_);
  row_.choices = request.choices;
  row_.tokens.prompt += request.prompt.size();
  Treat(request);
}

// With the mutex held, once the labels are known.
void LedgerEntry::Treat(GenerationRequest& request) {
  if (books_.levers == nullptr) return;
  if (!treatment_) {
    treatment_ = books_.levers->Treat(row_.tenant, row_.route);
    row_.arms = treatment_->arms;
  }
  Apply(*treatment_, request);
}

void LedgerEntry::NoteLabels(const std::string& route, const std::string& version) {
  const std::lock_guard lock(mutex_);
  if (row_.route.empty()) row_.route = route;
  if (row_.version.empty()) row_.version = version;
}

void LedgerEntry::NoteAdmitted(const Forecast& forecast) {
  const std::lock_guard lock(mutex_);
  row_.kv.forecast_bytes += forecast.kv_bytes;
  row_.forecast_wait_ms =
      std::max(row_.forecast_wait_ms, forecast.wait_seconds.value_or(0) * kMsPerSecond);
}

// On the engine thread: there is room, Follow has made it.
void LedgerEntry::NoteReceipt(const Receipt& receipt, uint64_t block_bytes) {
  const std::lock_guard lock(mutex_);
  receipts_.push_back(receipt);
  block_bytes_ = block_bytes;
}

void LedgerEntry::Finish(End end) {
  const std::lock_guard lock(mutex_);
  if (std::exchange(finished_, true)) return;
  row_.outcome = end.outcome;
  row_.verdict = std::move(end.verdict);
  row_.status = end.status;
  ended_ = SteadySeconds();
  row_.ms.total = (ended_ - began_) * kMsPerSecond;
}

void LedgerEntry::Refuse(const Error& error) {
  const ApiError api = ToApiError(error);
  const bool failed = api.status >= 500 && api.status != 503;
  Finish({failed ? LedgerOutcome::kError : LedgerOutcome::kRefused, std::string(api.code),
          api.status});
}

}  // namespace quire
