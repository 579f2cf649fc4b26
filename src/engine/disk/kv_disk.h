// engine/disk/kv_disk.h -- the disk below the arena, as the step loop uses it.
//
// Joins the tier with who owns what, what is still to be written (offloader.h) and what is being
// read (onboarder.h).
//
// Threads  the engine's, but for counts() and Abandon().
// Errors   Open: those of SsdTier::Open. Later the disk costs hits, never an answer.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "cache/kv_cache.h"
#include "engine/disk/activity.h"
#include "engine/disk/block_fetches.h"
#include "engine/disk/offloader.h"
#include "engine/disk/onboarder.h"
#include "kernels/kv_view.h"
#include "tier/ssd/ssd_tier.h"

namespace quire {

struct KvDiskOptions {
  std::string folder;
  uint64_t limit_bytes = 0;
  bool encrypt = true;
  bool page_cache = false;  // these two as SsdTierOptions
  uint64_t cached_bytes = 0;
  std::string scope_secret;  // 32 bytes
  // Less of a block is not read at once: small reads cost a disk its rate.
  uint64_t least_part_bytes = 64 * 1024;
  std::function<void(std::string_view)> log = [](std::string_view) {};
  // Files and queues; another one in tests.
  std::function<std::unique_ptr<DiskEnvironment>()> environment = [] {
    return std::make_unique<DiskEnvironment>();
  };
};

class KvDisk : private CommitListener {
 public:
  static Result<std::unique_ptr<KvDisk>> Open(const KvDiskOptions& options, const KvView& view);
  ~KvDisk() override;

  // Before the first block is committed; `cache` outlives it. `notify` is called on a thread of the
  // tier when there is something to do.
  void Attach(KvCache& cache, std::function<void()> notify);

  // A tenant that owns blocks. What it left behind under another generation is unreadable from now
  // on.
  struct Owner {
    OwnerId id = kFirstOwner;
    std::string_view tenant;
    uint64_t generation = 0;
    uint64_t limit_bytes = UINT64_MAX;
  };
  void SetOwner(const Owner& owner);
  void AddOwner(OwnerId id, std::string_view tenant);  // unless it is known

  struct Wish {
    RequestId request{};
    OwnerId owner = kFirstOwner;
    BlockNames names;
    std::span<const TokenId> prompt;  // outlives the entry: until the request is ready, or Cancel
    bool alone = false;               // nothing else is to be computed
  };
  Onboarder::Wanted Want(const Wish& wish, double prefill_rate, double now);
  void Cancel(RequestId request) { onboarder_->Cancel(*cache_, request); }
  size_t num_waiting() const { return onboarder_->num_waiting(); }

  bool Contains(const BlockName& name) const { return tier_->Contains(name); }
  // For whoever wants the bytes of blocks, rather than to find them in memory.
  uint32_t CountFirst(std::span<const BlockName> names) const { return tier_->CountFirst(names); }
  void Fetch(BlockFetches::Wish wish) { fetches_.Start(std::move(wish)); }

  // Between steps. Where there are no sequences one who is ready may go ahead of the last layers of
  // its blocks, for as long as the next step takes.
  std::vector<Onboarder::Ready> Work(double now, Activity activity);
  // A step was computed: begin and end on the clock of `now`. What is written beside such steps is
  // held to a share of their time.
  void NoteStep(Activity activity, double begin, double end) {
    offloader_->NoteStep(activity, begin, end);
  }
  // In that step, before the model attends in `layer`: waits until all blocks have it. False if
  // that fails, or takes too long, or is `in_vain`, which is asked over and over: then the step is
  // to be left.
  using InVain = std::function<bool()>;
  [[nodiscard]] bool AwaitLayer(uint32_t layer, const InVain& in_vain = [] { return false; });
  // Behind it: who is still ahead, if the step was left. That is to be given up once nobody uses
  // its blocks.
  std::optional<Onboarder::Ahead> ahead() const { return onboarder_->ahead(); }
  void GiveUp() { onboarder_->GiveUp(*cache_); }
  bool IsWanted(RequestId request) const { return onboarder_->IsWanted(request); }
  bool has_work() const { return offloader_->num_pending() > 0 || onboarder_->has_remains(); }

  // SsdTier::Abandon.
  void Abandon() { tier_->Abandon(); }

  // Hands over what is still to be written, as far as that is done within some seconds.
  void Flush();

  struct Counts {
    DiskCounts tier;
    OnboardCounts onboard;
    uint64_t lost_blocks = 0;  // evicted before they were written
  };
  Counts counts() const;
  uint64_t bytes_of(OwnerId owner) const;
  std::string Describe() const { return tier_->Describe(); }

 private:
  struct News;
  KvDisk(const KvDiskOptions& options, const KvView& view, std::unique_ptr<SsdTier> tier,
         std::shared_ptr<News> news);
  void OnCommitted(const CommittedBlocks& blocks) override;

  const KvDiskOptions options_;
  const std::shared_ptr<News> news_;
  const std::unique_ptr<SsdTier> tier_;
  const std::unique_ptr<Offloader> offloader_;
  const std::unique_ptr<Onboarder> onboarder_;
  BlockFetches fetches_;
  KvCache* cache_ = nullptr;
  std::unordered_map<OwnerId, BlockOwnerPtr> owners_;
  double patience_seconds_ = 0;  // left of this step's
};

}  // namespace quire
