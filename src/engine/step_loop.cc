#include "engine/step_loop.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <new>
#include <utility>

#include "base/check.h"
#include "base/spare_memory.h"
#include "engine/disk/kv_disk.h"
#include "kernels/numerics.h"

namespace quire {

namespace {

constexpr double kRunWeight = 0.1;  // of the newest sequence in the mean length of runs

constexpr TickMs kMsPerSecond = 1000;

TickMs TickOf(double seconds) { return static_cast<TickMs>(seconds * kMsPerSecond); }

}  // namespace

uint32_t StepLoop::NumSequences(const GenerationRequest& request) {
  return request.max_tokens == 0 ? 1 : request.choices;
}

StepLoop::StepLoop(const StepLoopOptions& options, const Tokenizer& tokenizer, RunBatch run,
                   EngineMetrics& metrics)
    : options_(options),
      tokenizer_(tokenizer),
      run_(std::move(run)),
      metrics_(metrics),
      cache_({.capacity_blocks = options.num_blocks},
             MakeEvictionPolicy(options.eviction, options.num_blocks)),
      scheduler_(options.budget, options.queue_limit, cache_),
      accounts_(cache_, scheduler_, options.block_bytes),
      open_calls_(options.prefix_cache ? options.tool_keep_ms : 0),
      pace_(options.budget.step_tokens, options.target_itl_seconds) {
  batch_.reserve(options.budget.step_sequences);
  batch_requests_.reserve(options.budget.step_sequences);
  chosen_.reserve(options.budget.step_sequences);
  // Per sequence of a step: its choice failed, and it left. And one that was cancelled.
  settling_.reserve(2 * size_t{options.budget.step_sequences} + 1);
  if (options_.disk != nullptr) {
    options_.disk->Attach(cache_, options_.disk_news);
    scheduler_.OnAdmit([this](const Sequence& sequence, uint32_t found_tokens) {
      return FetchFromDisk(sequence, found_tokens);
    });
  }
  stats_.blocks = options.num_blocks;
  stats_.block_bytes = options.block_bytes;
  Publish();
}

Error StepLoop::ErrorOf(const std::exception& failure) {
  if (dynamic_cast<const std::bad_alloc*>(&failure) == nullptr) {
    return {ErrorCode::kInternal, failure.what(), {}};
  }
  return {ErrorCode::kUnavailable,
          "the system gave no memory for this request; ask for less at once, or try again",
          {}};
}

bool StepLoop::Step() {
  step_started_ = options_.clock();
  if (SpareMemory::scarce()) FailNewest();
  WorkDisk();
  step_started_ = options_.clock();  // that took its time
  waited_seconds_ = 0;
  const Scheduler::Decodes decodes = scheduler_.decodes();
  nobody_is_answered_ = decodes.sequences == 0;
  if (!nobody_is_answered_) decode_depth_ = decodes.positions / decodes.sequences;
  const StepRoom room = pace_.Room({decodes.sequences, decodes.positions},
                                   scheduler_.prefill_is_behind(), step_started_);
  const auto plan = scheduler_.Plan(Now(), room);
  planned_nothing_ = plan.empty();
  if (plan.empty()) {
    GiveUpAhead();
    const bool refused = RefuseUnfit();
    if (options_.disk != nullptr) Publish();  // it works on when nothing else does
    return refused;
  }
  FillBatch(plan);
  const std::optional<std::span<const float>> logits = run_(batch_);
  if (!logits) {
    pace_.NoteLeft(options_.clock());
    scheduler_.Abandon();
    GiveUpAhead();
    RefuseUnfit();
    return true;
  }
  QUIRE_CHECK(!IsAhead(), "the model did not wait for a layer");
  step_ended_ = options_.clock();
  Note(plan, step_ended_ - step_started_ - waited_seconds_);
  if (options_.disk != nullptr) {
    const Activity step = nobody_is_answered_ ? Activity::kReading : Activity::kAnswering;
    options_.disk->NoteStep(step, step_started_ + waited_seconds_, step_ended_);
  }
  Choose(plan, *logits);
  scheduler_.Apply(chosen_);
  RefuseUnfit();
  Settle();
  return true;
}

// Ends requests for which memory was left at the door, but not any more. False if there are none.
bool StepLoop::RefuseUnfit() {
  const std::span<const SequenceId> unfit = scheduler_.never_fits();
  for (const SequenceId id : unfit) {
    ActiveRequest* const request = places_.at(id).request;
    request->Fail({ErrorCode::kNeverFits,
                   "the KV memory it needs was pinned, or the limit lowered, while it waited",
                   {}});
    settling_.push_back(request);
  }
  if (!unfit.empty()) Settle();
  return !unfit.empty();
}

Scope StepLoop::ScopeOf(const GenerationRequest& request,
                        const TenantAccounts::Account& account) const {
  const std::string secret =
      TenantSecret(options_.scope_secret, request.tenant, account.generation);
  Scope scope = MakeScope({.model_digest = options_.model_digest,
                           .kv_format = options_.kv_format,
                           .numerics_version = kNumericsVersion,
                           .tenant_secret = secret,
                           .cache_salt = request.cache_salt});
  scope.kin = TenantKin(options_.scope_secret, request.tenant, account.holder);
  return scope;
}

// The blocks that the prompt begins with and that are everybody's, as far as they are there.
BlockNames::PublicPrefix StepLoop::PublicPrefixOf(const GenerationRequest& request) const {
  if (!request.cache_salt.empty() || request.tenant == kPublicTenant) return {};
  size_t common = 0;
  for (const std::vector<TokenId>& prefix : public_prefixes_) {
    const auto differ = std::ranges::mismatch(prefix, request.prompt).in1;
    common = std::max(common, static_cast<size_t>(differ - prefix.begin()));
  }
  const uint32_t block_tokens = cache_.block_tokens();
  const size_t blocks = std::min(common, request.prompt.size() - 1) / block_tokens;
  if (blocks == 0) return {};
  GenerationRequest shared;
  shared.tenant = kPublicTenant;
  const Scope scope = ScopeOf(shared, {});
  const auto tokens = std::span(request.prompt).first(blocks * block_tokens + 1);
  return {scope, cache_.CountCached(scope, tokens) / block_tokens};
}

SequenceSpec StepLoop::SpecOf(const GenerationRequest& request) {
  const TenantAccounts::Account& account = accounts_.Of(request.tenant);
  SequenceSpec spec;
  spec.owner = account.owner;
  spec.scope = ScopeOf(request, account);
  spec.arrival = TickOf(options_.clock());
  spec.prompt = request.prompt;
  spec.max_tokens = request.max_tokens;
  spec.choices = NumSequences(request);
  spec.lookup = options_.prefix_cache;
  if (spec.lookup) spec.public_prefix = PublicPrefixOf(request);
  spec.store = options_.prefix_cache && !request.no_store;
  spec.all_rows = request.want_prompt_logprobs;
  spec.handling = request.handling;
  spec.keep_ms = TickMs{request.keep_seconds} * kMsPerSecond;
  spec.pin_ms = TickMs{request.pin_seconds} * kMsPerSecond;
  spec.pin_group = request.pin_group;
  return spec;
}

void StepLoop::Start(Arrival arrival) {
  const std::shared_ptr<EventQueue> events = arrival.events;
  const uint32_t choices = arrival.request.choices;
  GenerationRequest origin;  // all but its prompt
  Receipt receipt;
  receipt.prompt_tokens = static_cast<uint32_t>(arrival.request.prompt.size());
  Status started;
  try {
    origin.tenant = arrival.request.tenant;
    origin.choices = choices;
    origin.on_end = arrival.request.on_end;
    const SparePermit none(SpareUse::kNone);
    started = Enqueue(std::make_unique<ActiveRequest>(std::move(arrival), tokenizer_));
  } catch (const std::exception& failure) {
    started = std::unexpected(ErrorOf(failure));
  }
  if (started) return pace_.NoteBusy(options_.clock());
  for (uint32_t i = 0; i < choices; ++i) {
    ChoiceEndEvent end;
    end.choice = i;
    end.reason = FinishReason::kFailed;
    events->Push(std::move(end));
  }
  metrics_.NotStarted(origin.tenant);
  if (ended_) ended_(origin);
  const auto& on_end = origin.on_end ? origin.on_end : arrival.request.on_end;
  if (on_end) on_end(receipt);
  events->Push(DoneEvent{receipt, std::move(started.error())});
}

Status StepLoop::Enqueue(std::unique_ptr<ActiveRequest> request) {
  const RequestId id = request->id();
  SequenceSpec spec = SpecOf(request->request());
  // It is ours before the disk knows it: its prompt is read from there until Cancel.
  ActiveRequest& kept = *requests_.emplace(id, std::move(request)).first->second;
  try {
    if (HoldForDisk(kept, spec)) return {};
  } catch (...) {
    requests_.erase(id);
    throw;
  }
  Status submitted;
  try {
    submitted = SubmitSequences(kept, std::move(spec));
  } catch (...) {
    requests_.erase(id);
    throw;
  }
  if (!submitted) requests_.erase(id);
  return submitted;
}

// Of a request that is ours. All of them have a place, or there are none.
Status StepLoop::SubmitSequences(ActiveRequest& request, SequenceSpec spec) {
  QUIRE_TRY(const SequenceId leader, scheduler_.Submit(std::move(spec)));
  const uint32_t sequences = NumSequences(request.request());
  const auto sequence = [leader](uint32_t i) {
    return SequenceId{static_cast<uint64_t>(leader) + i};
  };
  try {
    for (uint32_t i = 0; i < sequences; ++i) places_[sequence(i)] = {&request, i};
  } catch (...) {
    const SparePermit permit(SpareUse::kAll);
    for (uint32_t i = 0; i < sequences; ++i) {
      places_.erase(sequence(i));
      scheduler_.Cancel(sequence(i));
    }
    throw;
  }
  request.SetLeader(leader);
  planned_nothing_ = false;
  return {};
}

double StepLoop::SecondsToUnpin() const {
  const std::optional<TickMs> next = scheduler_.next_unpin();
  if (!next) return std::numeric_limits<double>::infinity();
  constexpr double kSecondsPerMs = 1e-3;
  return std::max(0.0, static_cast<double>(*next) * kSecondsPerMs - options_.clock());
}

void StepLoop::UnpinExpired() {
  step_started_ = options_.clock();
  scheduler_.Pass(Now());
  Publish();
}

// KV that is placed while a step is prepared may have set the clock of the cache beyond its start.
TickMs StepLoop::Now() const { return std::max(cache_.now(), TickOf(step_started_)); }

void StepLoop::FillBatch(std::span<const PlanItem> plan) {
  batch_.clear();
  batch_requests_.clear();
  for (const PlanItem& item : plan) {
    const Sequence& sequence = scheduler_.Get(item.sequence);
    ActiveRequest& request = *places_.at(item.sequence).request;
    request.NoteStarted(step_started_);
    batch_requests_.push_back(request.id());
    batch_.push_back(
        {.tokens = std::span(sequence.tokens).subspan(item.first_token, item.num_tokens),
         .first_position = item.first_token,
         .table = sequence.table.indices(),
         .num_logit_rows = item.num_logit_rows});
  }
}

void StepLoop::Choose(std::span<const PlanItem> plan, std::span<const float> logits) {
  const size_t vocab = tokenizer_.vocab_size();
  chosen_.clear();
  size_t row = 0;
  for (const PlanItem& item : plan) {
    const auto rows = logits.subspan(row * vocab, item.num_logit_rows * vocab);
    row += item.num_logit_rows;
    const Place place = places_.at(item.sequence);
    Choice choice;
    try {
      const SparePermit none(SpareUse::kNone);
      choice = ChooseOne(item, place, rows);
    } catch (const std::exception& failure) {
      place.request->Fail(ErrorOf(failure));
      choice = {kNoToken, true};
      settling_.push_back(place.request);
    }
    if (item.completes) chosen_.push_back(choice);
    if (item.completes && choice.end) Leave(item.sequence);
  }
}

Choice StepLoop::ChooseOne(const PlanItem& item, Place place, std::span<const float> logits) {
  ActiveRequest& request = *place.request;
  Answer& answer = request.answer(place.choice);
  const uint32_t vocab = tokenizer_.vocab_size();
  const uint32_t end = item.first_token + item.num_tokens;
  if (request.request().want_prompt_logprobs && place.choice == 0 && item.num_logit_rows > 0 &&
      end <= request.request().prompt.size()) {
    request.AddPromptRows(logits, end - item.num_logit_rows, vocab);
  }
  if (!item.completes) return {};
  if (request.request().max_tokens == 0) {
    request.EndAnswers(FinishReason::kLength);
    return {kNoToken, true};
  }
  const TokenId token = answer.Choose(logits.last(vocab), end, request.events());
  ++stats_.generated_tokens;
  metrics_.GeneratedToken(request.request().tenant);
  if (const auto gap = request.NoteToken(step_ended_)) metrics_.InterToken(*gap);
  const bool calls = answer.ended() && answer.calls_tool();
  return {token, answer.ended(), calls ? NoteCall(item, request.request()) : 0};
}

OpenCalls::Turn StepLoop::TurnOf(const Sequence& sequence, const GenerationRequest& request) const {
  return {.tenant = request.tenant,
          .conversation = request.conversation,
          .names = sequence.names,
          .prompt = std::span(sequence.tokens).first(sequence.num_prompt),
          .block_tokens = cache_.block_tokens()};
}

// An answer ended in a call: how long its blocks are worth keeping.
TickMs StepLoop::NoteCall(const PlanItem& item, const GenerationRequest& request) {
  if (request.no_store) return 0;
  const OpenCalls::Turn turn = TurnOf(scheduler_.Get(item.sequence), request);
  return open_calls_.NoteCall(turn, TickOf(step_ended_));
}

void StepLoop::Leave(SequenceId id) {
  const Place place = places_.at(id);
  const Sequence& sequence = scheduler_.Get(id);
  SequenceCounts counts = sequence.counts;
  counts.block_seconds += sequence.table.size() * (step_ended_ - step_started_);
  place.request->NoteSequence(counts, place.choice);
  const double run_blocks =
      static_cast<double>(sequence.table.size()) / static_cast<double>(sequence.table.num_runs());
  const double before = report_.mean_run_blocks == 0 ? run_blocks : report_.mean_run_blocks;
  report_.mean_run_blocks = before + (run_blocks - before) * kRunWeight;
  places_.erase(id);
  settling_.push_back(place.request);
}

void StepLoop::Note(std::span<const PlanItem> plan, double seconds) {
  uint32_t prefill_rows = 0;
  for (const PlanItem& item : plan) {
    if (item.num_tokens > 1) prefill_rows += item.num_tokens;
    if (computed_) computed_(places_.at(item.sequence).request->request().tenant, item.num_tokens);
    NotePrompt(item, scheduler_.Get(item.sequence));
    NoteTimeline(item);
  }
  const StepShape shape = ShapeOfBatch();
  pace_.NoteStep(seconds, shape, prefill_rows);
  metrics_.Step(seconds, shape.rows);
  ++stats_.steps;
  stats_.batched_steps += plan.size() > 1;
  stats_.max_step_sequences = std::max<uint64_t>(stats_.max_step_sequences, plan.size());
}

// A prompt is counted once, by its leader: what was cached as it begins, the rest when computed.
void StepLoop::NotePrompt(const PlanItem& item, const Sequence& sequence) {
  if (sequence.id != sequence.leader) return;
  const uint32_t prompt = sequence.num_prompt;
  const uint32_t end = std::min(item.first_token + item.num_tokens, prompt);
  ActiveRequest& active = *places_.at(item.sequence).request;
  const uint32_t computed = end - std::min(item.first_token, prompt);
  const uint32_t cached = item.first ? item.first_token : 0;
  stats_.prompt_tokens_computed += computed;
  stats_.prompt_tokens_cached += cached;
  metrics_.PromptTokens(active.request(), {cached, active.onboarded_tokens(),
                                           sequence.counts.brought_tokens, computed});
  if (!item.first) return;
  // Blocks are needed until a request begins, so its time in the queue counts as well.
  open_calls_.NoteReturn(TurnOf(sequence, active.request()), TickOf(step_started_));
  NoteMisses(item, sequence, active);
}

// Of the full blocks of a prompt, its last token not counted, those that were not found.
void StepLoop::NoteMisses(const PlanItem& item, const Sequence& sequence, ActiveRequest& request) {
  const uint32_t block_tokens = cache_.block_tokens();
  const uint32_t first = item.first_token / block_tokens;
  const uint32_t end = (sequence.num_prompt - 1) / block_tokens;
  for (uint32_t i = first; i < end; ++i) {
    SeenBlocks::Finding finding{MissReason::kNotAsked};
    if (request.tier_loss().covers(i)) {
      finding = {request.tier_loss().reason};
    } else if (sequence.lookup) {
      finding = cache_.WhyMissed(sequence.names, sequence.tokens, i);
    }
    const double ago_ms = finding.at == 0 ? 0 : static_cast<double>(Now() - finding.at);
    request.NoteMiss(finding.reason, ago_ms);
  }
  metrics_.Missed(request.request().tenant, request.receipt().missed_blocks);
}

void StepLoop::Cancel(RequestId id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  CancelSequences(*found->second);
  found->second->EndAnswers(FinishReason::kCancelled);
  settling_.push_back(found->second.get());
  Settle();
}

// What is held together by the spare memory needs less of it then.
void StepLoop::FailNewest() {
  const auto newest =
      std::ranges::max_element(requests_, {}, [](const auto& one) { return one.first; });
  if (newest == requests_.end()) return;
  ActiveRequest* const request = newest->second.get();
  request->Fail(ErrorOf(std::bad_alloc()));
  settling_.push_back(request);
  Settle();
}

void StepLoop::Unpin(uint64_t group, RequestId last) {
  scheduler_.Unpin(group);
  for (const auto& [id, request] : requests_) {
    if (id > last || request->request().pin_group != group) continue;
    request->DropPin();
    if (request->leader() == kNoSequence) continue;  // it waits for the disk
    for (uint32_t i = 0; i < NumSequences(request->request()); ++i) {
      const SequenceId sequence{static_cast<uint64_t>(request->leader()) + i};
      if (places_.contains(sequence)) scheduler_.DropPin(sequence);
    }
  }
}

void StepLoop::CancelAll() {
  while (!requests_.empty()) Cancel(requests_.begin()->first);
}

void StepLoop::CancelSequences(ActiveRequest& request) {
  fetching_.erase(request.id());
  const bool has_sequences = request.leader() != kNoSequence;  // else it waits for the disk
  for (uint32_t i = 0; has_sequences && i < NumSequences(request.request()); ++i) {
    const SequenceId id{static_cast<uint64_t>(request.leader()) + i};
    if (!places_.contains(id)) continue;
    request.NoteSequence(scheduler_.Get(id).counts, i);
    places_.erase(id);
    scheduler_.Cancel(id);
  }
  if (options_.disk != nullptr) options_.disk->Cancel(request.id());  // nobody has its blocks now
}

// After Apply: the blocks are free, the state is coherent, now the world may be told.
void StepLoop::Settle() {
  for (ActiveRequest* request : settling_) {
    if (!request->failed()) continue;
    CancelSequences(*request);
    request->EndAnswers(FinishReason::kFailed);
  }
  std::ranges::sort(settling_);
  settling_.erase(std::ranges::unique(settling_).begin(), settling_.end());
  std::erase_if(settling_, [](const ActiveRequest* request) { return !request->all_ended(); });
  Pace::Answered answered;
  std::vector<std::unique_ptr<ActiveRequest>> done;
  for (ActiveRequest* request : settling_) {
    for (uint32_t i = 0; i < request->num_choices(); ++i) NoteLength(request->answer(i), answered);
    // Its prompt is read from there as long as the disk knows it.
    if (options_.disk != nullptr) options_.disk->Cancel(request->id());
    done.push_back(std::move(requests_.extract(request->id()).mapped()));
  }
  settling_.clear();
  pace_.NoteEnds(answered);
  Publish();
  for (const auto& request : done) {
    request->CloseReceipt();
    metrics_.Ended(*request, options_.block_bytes);
    if (ended_) ended_(request->request());
    request->Done();
  }
}

// One that was broken off says only that it had so many at least: nothing, if that is usual.
void StepLoop::NoteLength(const Answer& answer, Pace::Answered& answered) const {
  const uint32_t tokens = answer.num_generated();
  const double usual = pace_.tokens_per_choice();
  if (tokens == 0 || (!answer.completed() && (usual == 0 || tokens <= usual))) return;
  ++answered.choices;
  answered.tokens += tokens;
}

void StepLoop::Publish() {
  const BlockPool& pool = cache_.pool();
  stats_.free_blocks = pool.num_free();
  stats_.live_blocks = pool.num_live();
  stats_.idle_blocks = pool.num_idle();
  stats_.pinned_blocks = pool.num_pinned();
  stats_.running = scheduler_.num_running();
  stats_.waiting = scheduler_.num_waiting();
  if (options_.disk != nullptr) {
    stats_.waiting += static_cast<uint32_t>(options_.disk->num_waiting());
    const KvDisk::Counts counts = options_.disk->counts();
    stats_.disk_bytes = counts.tier.disk_bytes;
    metrics_.PublishDisk(counts);
  }
  stats_.preemptions = scheduler_.num_preemptions();
  stats_.evicted_blocks = 0;
  for (const uint64_t count : cache_.counts().evictions) stats_.evicted_blocks += count;
  report_.counts = cache_.counts();
  report_.block_tokens = cache_.block_tokens();
  report_.places = scheduler_.places();
  metrics_.Publish(stats_, report_);
  if (publish_) publish_(stats_);
}

Load StepLoop::load() const {
  const auto token_of = [this](uint32_t rows) {
    return pace_.SecondsPerToken({rows, rows * decode_depth_});
  };
  // One that ran away says nothing of those that may have sixty tokens.
  const double usual = pace_.tokens_per_choice();
  double tokens = 0;
  uint32_t choices = 0;
  for (const auto& [id, request] : requests_) {
    choices += request->num_choices();
    tokens += request->num_choices() * std::min<double>(usual, request->request().max_tokens);
  }
  return {.running = scheduler_.num_running(),
          .waiting = scheduler_.num_waiting(),
          .unstarted = scheduler_.num_new(),
          .waiting_tokens = scheduler_.waiting_work_tokens(),
          .running_tokens = scheduler_.running_work_tokens(),
          .free_tokens = uint64_t{cache_.available()} * cache_.block_tokens(),
          .tokens_per_second = pace_.prefill_rows_per_second(),
          .tokens_per_choice = choices > 0 ? tokens / choices : usual,
          .seconds_per_token = token_of(std::max(scheduler_.num_running(), 1u)),
          .seconds_per_token_full = token_of(options_.budget.step_sequences)};
}

std::vector<BlockId> StepLoop::Describe(std::span<const Tenant> tenants) {
  std::vector<BlockId> forgotten = accounts_.Describe(tenants);
  for (const Tenant& tenant : tenants) {
    metrics_.Welcome(tenant.name);
    if (options_.disk == nullptr) continue;
    options_.disk->SetOwner({.id = accounts_.Of(tenant.name).owner,
                             .tenant = tenant.name,
                             .generation = tenant.generation,
                             .limit_bytes = tenant.disk_limit_bytes});
  }
  Publish();
  return forgotten;
}

void StepLoop::CheckInvariants() const {
  cache_.CheckInvariants();
  scheduler_.CheckInvariants();
  QUIRE_CHECK(stats_.free_blocks + stats_.live_blocks + stats_.idle_blocks + stats_.pinned_blocks ==
              stats_.blocks);
}

}  // namespace quire
