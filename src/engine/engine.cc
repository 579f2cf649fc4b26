#include "engine/engine.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/spare_memory.h"
#include "base/worker_pool.h"
#include "engine/arena_touch.h"
#include "engine/disk/kv_disk.h"
#include "engine/engine_defaults.h"
#include "engine/metrics.h"
#include "engine/request_check.h"
#include "engine/step_loop.h"
#include "engine/transfer/kv_courier.h"
#include "engine/view/engine_view.h"
#include "engine/warm_up.h"
#include "kernels/numerics.h"
#include "model/forward.h"
#include "model/model.h"
#include "text/tokenizer.h"
#include "tier/kv_arena.h"

namespace quire {
namespace {
constexpr uint32_t kMaxChoices = 128;
constexpr auto kIdleBeforeCheck = std::chrono::seconds(1);
constexpr double kUnpinSlack = 0.002;   // in seconds: or it might not be over yet
constexpr double kLongestSleep = 3600;  // where no pin ends: a wait for ever overflows its clock
// Something of the disk's may be due without news: what was held back for a while.
constexpr auto kDiskPatience = std::chrono::milliseconds(50);

Door::Arriving CountOf(const std::vector<Arrival>& arrivals) {
  Door::Arriving count;
  for (const Arrival& arrival : arrivals) {
    count.choices += arrival.request.choices;
    count.tokens += arrival.request.prompt.size();
  }
  return count;
}

// Null: there is none, or it cannot be used and need not be.
Result<std::unique_ptr<KvDisk>> OpenDisk(const EngineOptions& options, const KvArena& arena) {
  if (options.disk_folder.empty() || options.disk_bytes == 0) return nullptr;
  auto disk = KvDisk::Open(DiskOptions(options, arena.bytes()), arena.view());
  if (disk || options.disk_required) return disk;
  options.log("KV is not kept on disk: " + disk.error().message);
  return nullptr;
}

// Of requests that came up to `last`.
struct Unpinning {
  uint64_t group = 0;
  RequestId last{};
};

}  // namespace

struct Engine::Impl {
  Impl(const EngineOptions& resolved, std::shared_ptr<const Model> model_in,
       std::shared_ptr<const Tokenizer> tokenizer_in, std::unique_ptr<WorkerPool> pool_in,
       KvArena arena_in, std::unique_ptr<KvDisk> disk_in);
  ~Impl();

  StepLoopOptions MakeLoopOptions();
  void TryWarmUp(std::unique_lock<std::mutex>& lock);
  bool TouchArena(std::unique_lock<std::mutex>& lock);
  bool HasNews() const;
  void ThreadMain();
  bool WaitForWork();
  void RunErrand(const std::function<void()>& errand);
  void Sleep(std::unique_lock<std::mutex>& lock);
  void ShowLookers(std::unique_lock<std::mutex>& lock);
  bool ShouldLeaveStep();
  bool IsInVain() const;
  void Publish(const EngineStats& snapshot);
  void Describe(std::span<const Tenant> tenants);
  Door::Arriving Arriving() const;
  static Status Closed() { return Refuse(ErrorCode::kUnavailable, "the server is shutting down"); }
  void Post(std::vector<std::function<void()>>& queue, std::function<void()> task);
  KvCourier::Parts CourierParts();

  const EngineOptions options;
  const std::shared_ptr<const Model> model;
  const std::shared_ptr<const Tokenizer> tokenizer;
  const std::unique_ptr<WorkerPool> pool;
  const KvArena arena;
  const std::unique_ptr<KvDisk> disk;  // null: none
  const RequestLimits limits;
  ForwardPass forward;
  EngineMetrics metrics;
  StepLoop loop;  // these two: of the engine thread alone
  WarmUp warm_up;
  ArenaTouch touch;
  KvCourier courier;

  // Something came that may make the step at hand pointless: set with it, under the mutex, so that
  // the engine thread looks at that only when it is worth taking the mutex.
  std::atomic<bool> news = false;

  mutable std::mutex mutex;
  std::condition_variable work;
  // All below are guarded by mutex.
  std::vector<Arrival> arrivals;
  std::vector<RequestId> cancels;
  std::vector<Unpinning> unpins;
  std::vector<std::function<void()>> tasks;    // of the courier
  std::vector<std::function<void()>> lookers;  // change nothing
  uint64_t last_request = 0;
  bool admitting = true;
  bool stopping = false;
  bool busy = false;  // the engine thread has taken work it has not finished
  EngineStats stats;
  Door door;
  bool disk_news = false;
  Door::Arriving in_hand;  // taken from `arrivals`, not yet in the load that the door knows
  std::optional<std::vector<Tenant>> described;  // to be taken over by the engine thread
  std::vector<Engine::TenantUsage> usage;
  std::vector<std::vector<TokenId>> shared;  // prefixes that were computed, likewise

  std::thread thread;
};

Engine::Impl::Impl(const EngineOptions& resolved, std::shared_ptr<const Model> model_in,
                   std::shared_ptr<const Tokenizer> tokenizer_in,
                   std::unique_ptr<WorkerPool> pool_in, KvArena arena_in,
                   std::unique_ptr<KvDisk> disk_in)
    : options(resolved),
      model(std::move(model_in)),
      tokenizer(std::move(tokenizer_in)),
      pool(std::move(pool_in)),
      arena(std::move(arena_in)),
      disk(std::move(disk_in)),
      limits{.vocab_size = model->config().vocab_size,
             .context_tokens = options.context_tokens,
             .kv_tokens = uint64_t{arena.num_blocks()} * kBlockTokens,
             .max_choices = kMaxChoices},
      forward(*model, arena.view(), LimitsOf(options), *pool),
      loop(
          MakeLoopOptions(), *tokenizer,
          [this](std::span<const BatchItem> batch) {
            return forward.RunUnless(
                [this](uint32_t layer) {
                  return !loop.AwaitLayer(layer, [this] { return IsInVain(); }) ||
                         ShouldLeaveStep();
                },
                batch);
          },
          metrics),
      warm_up(std::min<uint64_t>(
          {options.step_tokens + uint64_t{1}, limits.kv_tokens, options.context_tokens})),
      touch(arena, disk == nullptr ? 0 : disk->counts().tier.blocks),
      courier(CourierParts()),
      stats(loop.stats()),
      door({.queue_limit = options.queue_limit,
            .max_running = options.max_sequences,
            .block_bytes = arena.view().shape.block_bytes(),
            .block_tokens = kBlockTokens}) {
  loop.OnComputed([this](const std::string& tenant, uint64_t tokens) {
    const std::lock_guard lock(mutex);
    door.NoteComputed(tenant, tokens, SteadySeconds());
  });
  loop.OnEnd([this](const GenerationRequest& request) {
    const std::lock_guard lock(mutex);
    door.NoteEnded(request.tenant, request.choices);
  });
  loop.OnPublish([this](const EngineStats& snapshot) { Publish(snapshot); });
  thread = std::thread([this] { ThreadMain(); });
}

// While the loop is being made; the disk has no news before the thread runs.
StepLoopOptions Engine::Impl::MakeLoopOptions() {
  StepLoopOptions made = LoopOptions(options, *model, arena);
  made.disk = disk.get();
  made.disk_news = [this] {
    {
      const std::lock_guard lock(mutex);
      disk_news = true;
    }
    work.notify_one();
  };
  return made;
}

// To be run on the engine's thread, between steps; never, if the engine ends before.
void Engine::Impl::Post(std::vector<std::function<void()>>& queue, std::function<void()> task) {
  {
    const std::lock_guard lock(mutex);
    if (stopping) return;
    queue.push_back(std::move(task));
  }
  work.notify_one();
}

KvCourier::Parts Engine::Impl::CourierParts() {
  return {.loop = &loop,
          .disk = disk.get(),
          .view = arena.view(),
          .identity = {.model = model->digest(),
                       .format = std::string(KvFormatName(options.kv_format)),
                       .numerics = kNumericsVersion,
                       .scope = {}},
          .scope_secret = options.scope_secret,
          .post = [this](std::function<void()> task) {
            Post(tasks, std::move(task));
            news.store(true, std::memory_order_relaxed);
          }};
}

Engine::Impl::~Impl() {
  {
    const std::lock_guard lock(mutex);
    admitting = false;
    stopping = true;
    tasks.clear();
    lookers.clear();
    news.store(true, std::memory_order_relaxed);
  }
  work.notify_one();
  thread.join();
}

// Left for whatever is to be done. Who only looks is shown what is here between two layers: were
// it left for those as well, one who looks often would keep it from its end.
void Engine::Impl::TryWarmUp(std::unique_lock<std::mutex>& lock) {
  const auto left = [this](uint32_t) {
    std::unique_lock looking(mutex);
    if (!lookers.empty()) ShowLookers(looking);
    return HasNews();
  };
  lock.unlock();
  RunErrand([&] {
    warm_up.Try(loop.holds_blocks(), [&](std::span<const BatchItem> batch) {
      return forward.RunUnless(left, batch).has_value();
    });
  });
  lock.lock();
}

// A piece, between two looks for something to do. False: nothing more, or something else comes
// first.
bool Engine::Impl::TouchArena(std::unique_lock<std::mutex>& lock) {
  if (touch.is_over() || !lookers.empty() || HasNews()) return false;
  lock.unlock();
  touch.Some();
  if (loop.SecondsToUnpin() <= 0) loop.UnpinExpired();
  lock.lock();
  return true;
}

void Engine::Impl::Publish(const EngineStats& snapshot) {
  const std::lock_guard lock(mutex);
  stats = snapshot;
  door.SetLoad(loop.load());
  in_hand = {};
  usage.clear();
  const uint64_t block_bytes = snapshot.block_bytes;
  for (const TenantAccounts::Usage& one : loop.usage()) {
    const uint64_t limit = one.quota.limit_blocks;
    usage.push_back({.tenant = std::string(one.tenant),
                     .live_bytes = one.blocks.live * block_bytes,
                     .idle_bytes = one.blocks.idle * block_bytes,
                     .pinned_bytes = one.blocks.pinned * block_bytes,
                     .disk_bytes = disk == nullptr ? 0 : disk->bytes_of(one.owner),
                     .guaranteed_bytes = one.quota.guaranteed_blocks * block_bytes,
                     .limit_bytes = limit == kNoLimit ? Tenant::kUnlimited : limit * block_bytes});
  }
}

// With the mutex held.
Door::Arriving Engine::Impl::Arriving() const {
  const Door::Arriving queued = CountOf(arrivals);
  return {queued.choices + in_hand.choices, queued.tokens + in_hand.tokens};
}

// On the engine thread, between steps: nobody reads the blocks that are wiped.
void Engine::Impl::Describe(std::span<const Tenant> tenants) {
  const KvView& view = arena.view();
  for (const Tenant& tenant : tenants) courier.SetGeneration(tenant.name, tenant.generation);
  for (const BlockId block : loop.Describe(tenants)) {
    std::fill_n(view.block(Index(block)), view.shape.block_bytes(), std::byte{0});
  }
}

void Engine::Impl::ThreadMain() {
  const SparePermit permit(SpareUse::kAll);
  pool->PinCaller();
  while (WaitForWork()) {
    if (loop.Step()) warm_up.NoteStep();
  }
  loop.CancelAll();
  if (disk != nullptr) disk->Flush();
}

void Engine::Impl::ShowLookers(std::unique_lock<std::mutex>& lock) {
  std::vector<std::function<void()>> looking;
  looking.swap(lookers);
  lock.unlock();
  for (const auto& look : looking) RunErrand(look);
  lock.lock();
}

// With the mutex held.
bool Engine::Impl::HasNews() const {
  return stopping || !arrivals.empty() || !cancels.empty() || !unpins.empty() || described ||
         disk_news || !tasks.empty();
}

// Until there is something to do. Who looks meanwhile is shown what is here, and wakes nobody else;
// and pins end in time.
void Engine::Impl::Sleep(std::unique_lock<std::mutex>& lock) {
  busy = stats.running + stats.waiting > 0;
  const bool waits_for_disk = loop.WaitsForDisk();
  const auto ready = [&] { return (busy && !waits_for_disk) || !lookers.empty() || HasNews(); };
  for (bool checked = false;;) {
    if (!warm_up.is_over() && !busy && !waits_for_disk && !HasNews()) TryWarmUp(lock);
    if (!busy && !waits_for_disk && TouchArena(lock)) continue;
    if (waits_for_disk) {
      work.wait_for(lock, kDiskPatience, ready);
    } else if (checked) {
      const double seconds = std::min(loop.SecondsToUnpin() + kUnpinSlack, kLongestSleep);
      if (!work.wait_for(lock, std::chrono::duration<double>(seconds), ready)) {
        lock.unlock();
        loop.UnpinExpired();
        lock.lock();
        continue;
      }
    } else if (!work.wait_for(lock, kIdleBeforeCheck, ready)) {
      lock.unlock();
      loop.CheckInvariants();
      lock.lock();
      checked = true;
      continue;
    }
    if (!lookers.empty()) ShowLookers(lock);
    if (busy || waits_for_disk || HasNews()) return;
  }
}

// Hands new requests and cancels to the loop; sleeps while there is nothing to do. False to stop.
bool Engine::Impl::WaitForWork() {
  std::vector<Arrival> started;
  std::vector<RequestId> cancelled;
  std::vector<Unpinning> unpinned;
  std::vector<std::function<void()>> errands;
  std::optional<std::vector<Tenant>> tenants;
  std::vector<std::vector<TokenId>> prefixes;
  {
    std::unique_lock lock(mutex);
    Sleep(lock);
    started.swap(arrivals);
    cancelled.swap(cancels);
    unpinned.swap(unpins);
    errands.swap(tasks);
    tenants.swap(described);
    prefixes.swap(shared);
    in_hand = CountOf(started);
    disk_news = false;
    busy = true;
    if (stopping) {
      lock.unlock();
      for (Arrival& arrival : started) loop.Start(std::move(arrival));
      return false;
    }
  }
  if (tenants) Describe(*tenants);
  for (const auto& errand : errands) RunErrand(errand);
  for (auto& prefix : prefixes) loop.SharePrefix(std::move(prefix));
  for (Arrival& arrival : started) loop.Start(std::move(arrival));
  if (!started.empty()) loop.Publish();
  for (const RequestId id : cancelled) loop.Cancel(id);
  for (const Unpinning& unpin : unpinned) loop.Unpin(unpin.group, unpin.last);
  if (!unpinned.empty()) loop.Publish();
  return true;
}

// Whoever finds no memory for it is not answered, and does without.
void Engine::Impl::RunErrand(const std::function<void()>& errand) {
  try {
    errand();
  } catch (const std::bad_alloc&) {
    options.log("out of memory: KV is not handed on or shown, or nothing warmed up");
  }
}

// Between two layers of a step, on the engine thread. Others' tokens in the step are computed
// again, so it is left only if most of it was for those who have gone, or if somebody who has come
// wins more than is lost; a long one (pace.h) for whoever has news.
bool Engine::Impl::ShouldLeaveStep() {
  if (loop.IsAhead() || !news.exchange(false, std::memory_order_relaxed)) return false;
  const std::lock_guard lock(mutex);
  const bool waits = !cancels.empty() || !unpins.empty() || !tasks.empty();
  return stopping || loop.IsMostlyFor(cancels) || (waits && loop.HasLongToGo()) ||
         std::ranges::any_of(arrivals, [this](const Arrival& arrival) {
           return loop.IsWorthLeavingFor(arrival.request);
         });
}

// While a step waits for KV from the disk: nobody wants what it computes.
bool Engine::Impl::IsInVain() const {
  if (!news.load(std::memory_order_relaxed)) return false;
  const std::lock_guard lock(mutex);
  return stopping || loop.IsMostlyFor(cancels);
}

Result<std::unique_ptr<Engine>> Engine::Create(const EngineOptions& options,
                                               std::shared_ptr<const Model> model,
                                               std::shared_ptr<const Tokenizer> tokenizer,
                                               std::unique_ptr<WorkerPool> pool) {
  QUIRE_CHECK(sodium_init() >= 0, "libsodium does not work here");
  if (tokenizer->vocab_size() != model->config().vocab_size) {
    return Refuse(ErrorCode::kCorrupt,
                  fmt::format("the tokenizer has {} tokens, the model {}", tokenizer->vocab_size(),
                              model->config().vocab_size));
  }
  QUIRE_TRY(EngineOptions resolved, WithDefaults(options, model->config()));
  QUIRE_TRY(KvArena arena,
            KvArena::Create(model->kv_shape(resolved.kv_format), resolved.kv_memory_bytes));
  QUIRE_TRY(auto disk, OpenDisk(resolved, arena));
  return std::unique_ptr<Engine>(
      new Engine(std::make_unique<Impl>(resolved, std::move(model), std::move(tokenizer),
                                        std::move(pool), std::move(arena), std::move(disk))));
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

Result<RequestId> Engine::Submit(GenerationRequest request, std::shared_ptr<EventQueue> events,
                                 Forecast* forecast) {
  QUIRE_CHECK(events != nullptr, "nobody would hear the answer");
  Impl& impl = *impl_;
  const std::string tenant = request.tenant;
  const auto refuse = [&](Error error) {
    impl.metrics.Rejected(error.code, tenant);
    return std::unexpected(std::move(error));
  };
  if (const Status status = CheckRequest(impl.limits, request); !status) {
    return refuse(status.error());
  }
  std::unique_lock lock(impl.mutex);
  if (!impl.admitting) return refuse(Impl::Closed().error());
  // What may find no memory comes before the door counts the request.
  if (impl.arrivals.size() == impl.arrivals.capacity()) {
    impl.arrivals.reserve(2 * impl.arrivals.size() + 16);
  }
  impl.door.CutToTenant(request);
  const Result<Forecast> entered = impl.door.Enter(request, impl.Arriving(), SteadySeconds());
  if (!entered) return refuse(entered.error());
  if (forecast != nullptr) *forecast = *entered;
  const RequestId id{++impl.last_request};
  impl.arrivals.push_back({id, std::move(request), std::move(events), SteadySeconds()});
  impl.news.store(true, std::memory_order_relaxed);
  lock.unlock();
  impl.work.notify_one();
  return id;
}

Status Engine::Check(GenerationRequest& request) {
  Impl& impl = *impl_;
  Status verdict = CheckRequest(impl.limits, request);
  if (verdict) {
    const std::lock_guard lock(impl.mutex);
    impl.door.CutToTenant(request);
    verdict =
        impl.admitting ? impl.door.Check(request, impl.Arriving(), SteadySeconds()) : impl.Closed();
  }
  if (!verdict) impl.metrics.Rejected(verdict.error().code, request.tenant);
  return verdict;
}

void Engine::Cancel(RequestId id) {
  const SparePermit permit(SpareUse::kAll);  // it gives memory back
  {
    const std::lock_guard lock(impl_->mutex);
    if (static_cast<uint64_t>(id) > impl_->last_request) return;
    impl_->cancels.push_back(id);
    impl_->news.store(true, std::memory_order_relaxed);
  }
  impl_->work.notify_one();
}

void Engine::Unpin(uint64_t group) {
  const SparePermit permit(SpareUse::kAll);
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->unpins.push_back({group, RequestId{impl_->last_request}});
    impl_->news.store(true, std::memory_order_relaxed);
  }
  impl_->work.notify_one();
}

void Engine::StopAdmission() {
  const std::lock_guard lock(impl_->mutex);
  impl_->admitting = false;
}

bool Engine::warming_up() const { return !impl_->warm_up.is_over(); }

bool Engine::idle() const {
  const std::lock_guard lock(impl_->mutex);
  return !impl_->busy && impl_->arrivals.empty();
}

uint32_t Engine::RetryAfterSeconds() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->door.RetryAfterSeconds(impl_->Arriving());
}

Status Engine::SetTenants(std::vector<Tenant> tenants) {
  uint64_t guaranteed = 0;
  for (const Tenant& tenant : tenants) guaranteed += tenant.kv_guaranteed_bytes;
  if (guaranteed > impl_->arena.bytes()) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("{} bytes of KV memory are guaranteed to tenants, but there are {}; "
                              "guarantee less or start with more kv-memory",
                              guaranteed, impl_->arena.bytes()));
  }
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->door.Describe(tenants);
    impl_->described = std::move(tenants);
  }
  impl_->work.notify_one();
  return {};
}

Status Engine::SharePrefix(std::vector<TokenId> tokens) {
  tokens.resize(tokens.size() / kBlockTokens * kBlockTokens);
  if (tokens.empty()) return {};
  GenerationRequest request;
  request.prompt = tokens;
  request.tenant = kPublicTenant;
  request.max_tokens = 0;
  request.pin_seconds = std::numeric_limits<uint32_t>::max();  // longer than any server runs
  const auto events = std::make_shared<EventQueue>();
  QUIRE_TRY([[maybe_unused]] const RequestId id, Submit(std::move(request), events));
  for (;;) {
    Event event = events->WaitPop();
    auto* done = std::get_if<DoneEvent>(&event);
    if (done == nullptr) continue;
    if (done->error) return std::unexpected(*std::move(done->error));
    break;
  }
  const std::lock_guard lock(impl_->mutex);
  impl_->shared.push_back(std::move(tokens));
  return {};
}

std::vector<Engine::TenantUsage> Engine::tenant_usage() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->usage;
}

EngineStats Engine::stats() const {
  const std::lock_guard lock(impl_->mutex);
  EngineStats stats = impl_->stats;
  stats.waiting += CountOf(impl_->arrivals).choices;
  return stats;
}

uint32_t Engine::context_tokens() const { return impl_->options.context_tokens; }
const EngineOptions& Engine::options() const { return impl_->options; }

void Engine::AbandonDisk() {
  if (impl_->disk != nullptr) impl_->disk->Abandon();
}

std::string Engine::disk() const { return impl_->disk == nullptr ? "" : impl_->disk->Describe(); }

std::string Engine::numerics() const {
  return fmt::format("{}/{}/full", kNumericsVersion, KvFormatName(impl_->options.kv_format));
}

void Engine::Look(std::function<void(EngineView)> take) {
  impl_->Post(impl_->lookers,
              [impl = impl_.get(), take = std::move(take)] { take(impl->loop.View()); });
}

void Engine::LookAtTree(std::optional<std::string> tenant, std::function<void(PrefixTree)> take) {
  impl_->Post(impl_->lookers, [impl = impl_.get(), tenant = std::move(tenant),
                               take = std::move(take)] { take(impl->loop.Tree(tenant)); });
}

KvCourier& Engine::courier() { return impl_->courier; }

prometheus::Collectable& Engine::metrics() { return impl_->metrics; }

}  // namespace quire
