#include "engine/disk/kv_disk.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "base/size.h"
#include "engine/disk/block_shape.h"
#include "engine/disk/disk_owner.h"

namespace quire {
namespace {

// What other programs are left on a file system that Quire fills.
constexpr uint64_t kFloorBytes = 512 * kMiB;
constexpr auto kFlushPatience = std::chrono::seconds(10);
// Seconds that a step waits for layers at most, and whoever comes with it.
constexpr double kLayerPatience = 1;

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

// The tier's threads outlive no KvDisk, but begin before anybody listens.
struct KvDisk::News {
  std::mutex mutex;
  std::condition_variable came;
  std::function<void()> notify;

  void Tell() {
    const std::lock_guard lock(mutex);
    if (notify) notify();
    came.notify_all();
  }
};

Result<std::unique_ptr<KvDisk>> KvDisk::Open(const KvDiskOptions& options, const KvView& view) {
  auto news = std::make_shared<News>();
  QUIRE_TRY(auto tier, SsdTier::Open({.folder = options.folder,
                                      .limit_bytes = options.limit_bytes,
                                      .floor_bytes = kFloorBytes,
                                      .shape = BlockShapeOf(view.shape),
                                      .encrypt = options.encrypt,
                                      .page_cache = options.page_cache,
                                      .cached_bytes = options.cached_bytes,
                                      .log = options.log,
                                      .notify = [news] { news->Tell(); }},
                                     options.environment()));
  return std::unique_ptr<KvDisk>(new KvDisk(options, view, std::move(tier), std::move(news)));
}

KvDisk::KvDisk(const KvDiskOptions& options, const KvView& view, std::unique_ptr<SsdTier> tier,
               std::shared_ptr<News> news)
    : options_(options),
      news_(std::move(news)),
      tier_(std::move(tier)),
      offloader_(std::make_unique<Offloader>(view, *tier_)),
      onboarder_(std::make_unique<Onboarder>(view, *tier_, options.least_part_bytes)),
      fetches_(*tier_) {
  onboarder_->PassOn([this](const ReadBlocks& blocks) { fetches_.Take(blocks); });
}

KvDisk::~KvDisk() {
  const std::lock_guard lock(news_->mutex);
  news_->notify = nullptr;
}

void KvDisk::Attach(KvCache& cache, std::function<void()> notify) {
  cache_ = &cache;
  cache.SetListener(this);
  const std::lock_guard lock(news_->mutex);
  news_->notify = std::move(notify);
}

void KvDisk::SetOwner(const Owner& owner) {
  auto made = MakeBlockOwner(options_.scope_secret, owner.tenant, owner.generation);
  tier_->SetOwner(made->tag, owner.limit_bytes);
  owners_[owner.id] = std::move(made);
}

void KvDisk::AddOwner(OwnerId id, std::string_view tenant) {
  if (!owners_.contains(id)) SetOwner({.id = id, .tenant = tenant});
}

Onboarder::Wanted KvDisk::Want(const Wish& wish, double prefill_rate, double now) {
  return onboarder_->Want(*cache_,
                          {.request = wish.request,
                           .owner = wish.owner,
                           .disk_owner = owners_.at(wish.owner),
                           .names = wish.names,
                           .prompt = wish.prompt,
                           .alone = wish.alone},
                          prefill_rate, now);
}

std::vector<Onboarder::Ready> KvDisk::Work(double now, Activity activity) {
  offloader_->Work(*cache_, activity);
  patience_seconds_ = kLayerPatience;
  // What is fetched for others is handed on between steps.
  return onboarder_->Work(*cache_, now, IsBusy(activity),
                          activity == Activity::kNone && fetches_.idle());
}

bool KvDisk::AwaitLayer(uint32_t layer, const InVain& in_vain) {
  for (;;) {
    const Onboarder::LayerState state = onboarder_->StateOf(*cache_, layer);
    if (state != Onboarder::LayerState::kReading) return state == Onboarder::LayerState::kThere;
    if (patience_seconds_ <= 0 || in_vain()) return false;
    const double begin = Seconds();
    std::unique_lock lock(news_->mutex);
    // Something may have come between the two, or it may be in vain now: hence the bound.
    news_->came.wait_for(lock, std::chrono::milliseconds(1));
    patience_seconds_ -= Seconds() - begin;
  }
}

void KvDisk::Flush() {
  const auto end = std::chrono::steady_clock::now() + kFlushPatience;
  std::unique_lock lock(news_->mutex);
  news_->notify = nullptr;
  for (;;) {
    lock.unlock();
    offloader_->Work(*cache_, Activity::kNone);
    lock.lock();
    if (offloader_->num_pending() == 0 || std::chrono::steady_clock::now() > end ||
        tier_->counts().paused) {
      return;
    }
    // A buffer may have come back between the two: hence the bound.
    news_->came.wait_for(lock, std::chrono::milliseconds(20));
  }
}

KvDisk::Counts KvDisk::counts() const {
  return {tier_->counts(), onboarder_->counts(), offloader_->num_lost()};
}

uint64_t KvDisk::bytes_of(OwnerId owner) const {
  const auto found = owners_.find(owner);
  return found == owners_.end() ? 0 : tier_->usage(found->second->tag.tag).bytes;
}

void KvDisk::OnCommitted(const CommittedBlocks& blocks) {
  const auto found = owners_.find(blocks.table.owner());
  if (found != owners_.end()) offloader_->Note(blocks, found->second);
}

}  // namespace quire
