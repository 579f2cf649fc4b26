#include "server/dashboard/live_feed.h"

#include <prometheus/collectable.h>

#include <algorithm>
#include <charconv>
#include <mutex>
#include <optional>
#include <utility>

#include "server/http/wake_up.h"
#include "server/service.h"

namespace quire {

namespace asio = boost::asio;

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kShortestInterval(250);
constexpr milliseconds kLongestInterval(10'000);
constexpr milliseconds kInterval(1000);
// A picture this young is as good as a new one.
constexpr milliseconds kStillGood(200);
constexpr milliseconds kTreeStillGood(1000);
// How long a server that drains may wait for us to see it.
constexpr milliseconds kAttention(250);
// Longer than any step. An engine without memory for a picture does not answer.
constexpr milliseconds kPatience(60'000);

int64_t NowMs() {
  return std::chrono::duration_cast<milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Where the engine's thread leaves what was asked for.
template <typename T>
struct Slot {
  std::mutex mutex;
  std::optional<T> value;

  std::optional<T> Take() {
    const std::lock_guard lock(mutex);
    return std::exchange(value, std::nullopt);
  }
};

// Waits for what `ask` hands to its argument on the engine's thread; nothing if the client goes, or
// the server ends, before, or if it takes too long.
template <typename T>
asio::awaitable<std::optional<T>> Await(Exchange& exchange, const LiveFeed::Context& context,
                                        std::function<void(std::function<void(T)>)> ask) {
  const auto slot = std::make_shared<Slot<T>>();
  const auto wake = std::make_shared<WakeUp>(exchange.executor());
  exchange.Watch([wake] { wake->Notify(); });
  ask([slot, notify = wake->Remote()](T value) {
    {
      const std::lock_guard lock(slot->mutex);
      slot->value = std::move(value);
    }
    notify();
  });
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    std::optional<T> value = slot->Take();
    const bool over = std::chrono::steady_clock::now() > end;
    if (value || over || exchange.gone() || exchange.cut() || context.draining()) co_return value;
    co_await wake->Wait(kAttention);
  }
}

HttpResponse ShuttingDown() {
  return ToResponse({ErrorCode::kUnavailable, "the server is shutting down", {}}, 5);
}

// From ?interval_ms=; nullopt if that is no such number.
std::optional<milliseconds> IntervalOf(const HttpRequest& request) {
  const std::optional<std::string> text = QueryValue(request.query, "interval_ms");
  if (!text) return kInterval;
  int64_t value = 0;
  const char* const end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, value);
  const milliseconds interval(value);
  if (read.ec != std::errc() || read.ptr != end || interval < kShortestInterval ||
      interval > kLongestInterval) {
    return std::nullopt;
  }
  return interval;
}

}  // namespace

// A watcher's place among the others, for as long as it lives.
class LiveFeed::Seat {
 public:
  Seat(LiveFeed& feed, std::string tenant) : feed_(feed), tenant_(std::move(tenant)) {
    ++feed_.watchers_[tenant_];
    ++feed_.num_watchers_;
  }
  ~Seat() {
    --feed_.num_watchers_;
    if (--feed_.watchers_[tenant_] == 0) feed_.watchers_.erase(tenant_);
  }
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;

 private:
  LiveFeed& feed_;
  const std::string tenant_;
};

// A tenant that looks at its tree. However that ends, another may look after it.
class LiveFeed::Glance {
 public:
  Glance(Trees& trees, std::string tenant) : trees_(trees), tenant_(std::move(tenant)) {
    trees_[tenant_] = {};
  }
  ~Glance() {
    const auto found = trees_.find(tenant_);
    if (found != trees_.end() && found->second.tree == nullptr) trees_.erase(found);
  }
  Glance(const Glance&) = delete;
  Glance& operator=(const Glance&) = delete;

 private:
  Trees& trees_;
  const std::string tenant_;
};

asio::awaitable<std::shared_ptr<const LiveShot>> LiveFeed::Take(Exchange& exchange,
                                                                const Context& context) {
  if (last_ != nullptr && Clock::now() - taken_ < kStillGood) co_return last_;
  Engine& engine = *context.engine;
  std::function<void(std::function<void(EngineView)>)> ask =
      [&engine](std::function<void(EngineView)> take) { engine.Look(std::move(take)); };
  std::optional<EngineView> view = co_await Await<EngineView>(exchange, context, std::move(ask));
  if (!view) co_return nullptr;
  auto shot = std::make_shared<LiveShot>();
  shot->view = *std::move(view);
  shot->usage = engine.tenant_usage();
  shot->families = engine.metrics().Collect();
  shot->disk_limit_bytes = engine.disk().empty() ? 0 : engine.options().disk_bytes;
  shot->time_ms = NowMs();
  last_ = shot;
  taken_ = Clock::now();
  co_return shot;
}

asio::awaitable<void> LiveFeed::Watch(Exchange& exchange, Context context) {
  const std::optional<milliseconds> interval = IntervalOf(exchange.request());
  const auto of_tenant = watchers_.find(context.caller.tenant);
  const size_t own = of_tenant == watchers_.end() ? 0 : of_tenant->second;
  HttpResponse response;
  if (!interval) {
    response = ToResponse({ErrorCode::kInvalidArgument,
                           "interval_ms is a whole number from 250 to 10000", "interval_ms"},
                          1);
    co_return co_await exchange.Respond(std::move(response));
  }
  if (num_watchers_ >= kMostWatchers || own >= kMostOfTenant) {
    response = ToResponse({ErrorCode::kOverloaded,
                           "too many watch already: at most 16 of a tenant, and 64 in all",
                           {}},
                          5);
    co_return co_await exchange.Respond(std::move(response));
  }
  const Seat seat(*this, context.caller.tenant);
  const bool once = QueryValue(exchange.request().query, "once") == "true";
  if (once || exchange.request().method == "HEAD") {
    const auto shot = co_await Take(exchange, context);
    if (exchange.gone()) co_return;
    response = ShuttingDown();
    if (shot != nullptr) {
      response = {};
      response.body = LiveJson(*shot, context.caller);
    }
    co_return co_await exchange.Respond(std::move(response));
  }
  co_await Stream(exchange, std::move(context), *interval);
}

asio::awaitable<void> LiveFeed::Stream(Exchange& exchange, Context context, milliseconds interval) {
  HttpResponse head;
  head.content_type = "text/event-stream; charset=utf-8";
  head.headers.emplace_back("Cache-Control", "no-cache");
  head.headers.emplace_back("X-Accel-Buffering", "no");
  co_await exchange.BeginStream(std::move(head));
  while (!exchange.gone() && !exchange.cut() && !context.draining() && context.welcome()) {
    const auto begun = Clock::now();
    const auto shot = co_await Take(exchange, context);
    if (shot == nullptr) break;
    const std::string event = "data: " + LiveJson(*shot, context.caller) + "\n\n";
    const IoEnd end = co_await exchange.Write(event);
    if (end == IoEnd::kTimeout) co_return co_await exchange.EndStalled(": you did not read\n\n");
    const auto wake = std::make_shared<WakeUp>(exchange.executor());
    exchange.Watch([wake] { wake->Notify(); });
    for (;;) {
      const auto left = std::chrono::duration_cast<milliseconds>(begun + interval - Clock::now());
      if (left.count() <= 0 || exchange.gone() || exchange.cut() || context.draining()) break;
      co_await wake->Wait(std::min(left, kAttention));
    }
  }
  if (!exchange.gone()) co_await exchange.EndStream();
}

// A tree is taken by its own tenant alone, so whoever asks for it again has to wait for himself.
asio::awaitable<void> LiveFeed::ShowTree(Exchange& exchange, Context context) {
  ForgetOldTrees();
  const std::string& name = context.caller.tenant;
  if (const auto known = trees_.find(name); known != trees_.end()) {
    HttpResponse response =
        ToResponse({ErrorCode::kOverloaded, "the tree is being looked at; try again", {}}, 1);
    if (known->second.tree != nullptr) {
      response = {};
      response.body = TreeJson(*known->second.tree, context.caller);
    }
    co_return co_await exchange.Respond(std::move(response));
  }
  auto glance = std::make_optional<Glance>(trees_, name);
  std::optional<std::string> tenant;
  if (!context.caller.admin) tenant = name;
  Engine& engine = *context.engine;
  std::function<void(std::function<void(PrefixTree)>)> ask =
      [&engine, tenant](std::function<void(PrefixTree)> take) {
        engine.LookAtTree(tenant, std::move(take));
      };
  std::optional<PrefixTree> tree = co_await Await<PrefixTree>(exchange, context, std::move(ask));
  HttpResponse response = ShuttingDown();
  if (tree) {
    response = {};
    response.body = TreeJson(*tree, context.caller);
    trees_[name] = {std::make_shared<const PrefixTree>(*std::move(tree)), Clock::now()};
  }
  glance.reset();  // before a slow reader: by its end another may be looking
  if (!exchange.gone()) co_await exchange.Respond(std::move(response));
}

void LiveFeed::ForgetOldTrees() {
  std::erase_if(trees_, [](const auto& one) {
    const TreeShot& shot = one.second;
    return shot.tree != nullptr && Clock::now() - shot.taken >= kTreeStillGood;
  });
}

}  // namespace quire
