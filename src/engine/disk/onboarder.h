// engine/disk/onboarder.h -- brings blocks back from the disk before a request waits for memory.
//
//   wanted -> held -> reading -------> ready
//                        |               ^
//                        +---> ahead ----+
//
// A request whose prompt goes on, after what RAM has of it, with blocks that the disk has, is held
// back until those are in the prefix cache; then it is admitted like any other and finds them. They
// are held while another request reads the same ones, or while there is no room for them, but not
// for longer than kMostHeldSeconds.
//
// Whether to load or to compute is decided once per request, by the measured rates of both. Where
// computing wins, loading is tried now and then nevertheless, or a bad moment would be remembered
// for ever.
//
// Where nothing else is to be computed, the blocks are read group by group of layers, and the
// request goes ahead as soon as the first group of all blocks is there: the model computes those
// layers while the disk reads the next ones, and waits before a layer that is not there yet
// (StateOf). Until then nobody else may look at these blocks, so a request is ahead within one step
// only. If something does not come in time, GiveUp takes their names again, and the request waits
// for them as it would have otherwise. What remains must be read in kMostAheadSeconds, as far as
// that is known, since whoever comes waits.
//
// A block that comes back is used if its bytes are proven (the tier), and its root, parent and
// token ids are those of the request; else it and what follows is computed.
//
// What is read is written to its blocks by the tier, so blocks of a request that has gone are held
// until the last piece of them came.
//
// Threads  the engine's.
// Bounds   one entry per request that was let in; what it leaves behind ends with its reads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/token_id.h"
#include "cache/kv_cache.h"
#include "cache/miss_reason.h"
#include "engine/request.h"
#include "kernels/kv_view.h"
#include "tier/ssd/ssd_tier.h"

namespace quire {

struct OnboardWish {
  RequestId request{};
  OwnerId owner = kFirstOwner;
  BlockOwnerPtr disk_owner;
  BlockNames names;
  std::span<const TokenId> prompt;  // outlives the entry
  bool alone = false;               // nothing else is to be computed
};

struct OnboardCounts {
  uint64_t loaded_spans = 0;
  uint64_t ahead_spans = 0;     // of those, read while the first layers were computed
  uint64_t computed_spans = 0;  // because that was measured to be faster
  uint64_t loaded_blocks = 0;
  uint64_t failed_blocks = 0;  // asked for and not got, or not what they should be
};

class Onboarder {
 public:
  // `least_part_bytes`: the layers of a block that are read at once have at least so many, or all
  // of them are.
  Onboarder(const KvView& view, SsdTier& tier, uint64_t least_part_bytes)
      : view_(view), tier_(tier), least_part_bytes_(least_part_bytes) {}

  struct Wanted {
    bool waits = false;  // then Work says when it is ready
    TierLoss loss = {};  // what is not loaded, since computing is faster
  };
  // `prefill_rate`: tokens per second, 0 if not known.
  Wanted Want(KvCache& cache, OnboardWish wish, double prefill_rate, double now);

  // Takes what has arrived, and starts what was held. Returns the requests that are ready, and how
  // many tokens each has found; `may_hold`: something runs, so that room may come; `alone`: nothing
  // else is to be computed in the step that follows.
  struct Ready {
    RequestId request{};
    uint32_t tokens = 0;
    double seconds = 0;  // since Want
    TierLoss loss = {};
  };
  std::vector<Ready> Work(KvCache& cache, double now, bool may_hold, bool alone);

  // Within a step: whether `layer` of all blocks is there. Takes what has arrived.
  enum class LayerState : uint8_t { kThere, kReading, kFailed };
  LayerState StateOf(KvCache& cache, uint32_t layer);
  // Who is ahead, and with how many tokens from the disk.
  struct Ahead {
    RequestId request{};
    uint32_t tokens = 0;
  };
  std::optional<Ahead> ahead() const;
  // Whoever is ahead, and must have given its blocks back, is not any more, and becomes ready by
  // Work.
  void GiveUp(KvCache& cache);
  bool IsWanted(RequestId request) const { return entries_.contains(request); }

  void Cancel(KvCache& cache, RequestId request);  // unknown ones are ignored

  // Who hears of blocks that no request waits for.
  void PassOn(std::function<void(const ReadBlocks&)> others) { others_ = std::move(others); }

  size_t num_waiting() const { return entries_.size(); }
  bool has_remains() const { return !remains_.empty(); }  // blocks of those who have gone
  const OnboardCounts& counts() const { return counts_; }

 private:
  struct Group {
    LayerRange layers;
    uint32_t accounted = 0;  // of the blocks that are read
    uint32_t good = 0;       // of those
  };
  struct Entry {
    OnboardWish wish;
    double since = 0;
    bool reading = false;
    uint64_t ticket = 0;
    BlockTable table;
    uint32_t first = 0;  // block of the prompt that is read first
    TierLoss loss;       // if it ends as things are
    std::vector<Group> groups;
    std::vector<uint32_t> arrived;  // by block that is read: groups of it

    uint32_t asked() const { return static_cast<uint32_t>(arrived.size()); }
    uint32_t to_come() const;  // blocks of all groups
  };
  // Of a request that has gone.
  struct Remains {
    uint64_t ticket = 0;
    BlockTable table;
    uint32_t to_come = 0;
  };
  using Entries = std::unordered_map<RequestId, Entry>;

  std::vector<BlockName> NamesOf(const Entry& entry, uint32_t first, uint32_t end) const;
  std::vector<BlockName> NamesFrom(const Entry& entry, uint32_t first) const;
  bool IsWorthLoading(uint32_t blocks, double prefill_rate);
  bool IsRead(const BlockName& name, const Entry& by) const;
  std::vector<LayerRange> GroupsFor(const Entry& entry, uint32_t blocks) const;
  enum class Start : uint8_t { kReading, kNotNow, kNothing };
  Start TryStart(KvCache& cache, Entry& entry);
  Start Read(KvCache& cache, Entry& entry, uint32_t found, std::span<const BlockName> names);
  void TakeArrived(KvCache& cache);
  void Leave(KvCache& cache, Entries::iterator it);
  void Account(Entry& entry, const ReadBlocks& blocks);
  bool IsSame(const Entry& entry, const ReadBlocks& blocks, uint32_t i) const;
  uint32_t Finish(KvCache& cache, Entry& entry);
  bool MayGoAhead(const KvCache& cache, const Entry& entry) const;
  uint32_t GoAhead(KvCache& cache, Entry& entry);

  const KvView view_;
  SsdTier& tier_;
  const uint64_t least_part_bytes_;
  Entries entries_;
  std::optional<RequestId> ahead_;  // whose entry is ahead: one at most
  std::vector<Remains> remains_;
  OnboardCounts counts_;
  std::function<void(const ReadBlocks&)> others_;
  uint64_t last_ticket_ = 0;
  uint32_t computed_in_a_row_ = 0;
};

}  // namespace quire
