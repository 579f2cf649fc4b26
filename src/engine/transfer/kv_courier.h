// engine/transfer/kv_courier.h -- takes KV blocks out of the memory of an engine, and puts in what
// comes from elsewhere.
//
//   Chain      the blocks of a text, by name
//   Held       how many from the first on are here: in memory, and after those on disk
//   Collect    some of them, as a parcel (kv_parcel.h)
//   Lift       those on disk come into memory
//   Open       a parcel's blocks are proven
//   Place      they become findable
//
// Placed blocks are ordinary cached blocks of their tenant: owned, evictable, written to the disk.
//
// Threads  any, but the engine's own: every call waits for a moment between two steps, until its
//          deadline at most. What it asked for may be done after that, unheard.
// Bounds   one parcel per call. Callers bound how many calls there are at once.
// Errors   none: what cannot be is fewer blocks than were hoped for, and those are computed.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/transfer/kv_chain.h"
#include "engine/transfer/kv_parcel.h"
#include "kernels/kv_view.h"

namespace quire {

class KvDisk;
class StepLoop;

// Why blocks that were proven are not in memory.
enum class PlaceFlaw : uint8_t { kNone, kNoRoom, kGap, kPurged, kNoAnswer };
std::string_view InWords(PlaceFlaw flaw);

class KvCourier {
 public:
  using Deadline = std::chrono::steady_clock::time_point;
  // Longer than any step or read takes; whoever waited for that long computes.
  static Deadline Soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(20); }

  struct Parts {
    StepLoop* loop = nullptr;  // both outlive it
    KvDisk* disk = nullptr;    // null: none
    KvView view;
    KvIdentity identity;       // without a scope
    std::string scope_secret;  // 32 bytes
    // Runs a task on the engine's thread, between steps; never, if the engine ends before.
    std::function<void(std::function<void()>)> post;
  };
  explicit KvCourier(Parts parts);
  ~KvCourier();

  // Of the full blocks that `tokens` begin with. Null: the engine has ended, or gave no
  // answer in time.
  KvChainPtr Chain(const std::string& tenant, std::span<const TokenId> tokens,
                   Deadline until = Soon());

  struct Held {
    uint32_t memory = 0;
    uint32_t disk = 0;  // behind those
  };
  Held HeldOf(const KvChainPtr& chain, Deadline until = Soon());

  static bool has_aes();  // what Collect may be asked for by this machine
  uint32_t parcel_blocks() const { return ParcelBlocks(shape_); }
  const BlockShape& shape() const { return shape_; }

  // Up to parcel_blocks() blocks from `first` on, at most `count`; empty if the first of them is
  // not here.
  std::string Collect(const KvChainPtr& chain, uint32_t first, uint32_t count, std::string_view way,
                      bool aes);

  // Blocks [first, first + count) that are on disk. Returns how many of them are in memory then.
  uint32_t Lift(const KvChainPtr& chain, uint32_t first, uint32_t count, Deadline until = Soon());

  // The parcel that `bytes` begin with, opened in place; without the engine.
  OpenedParcel Open(const KvChainPtr& chain, std::string_view way,
                    std::span<std::byte> bytes) const {
    return OpenParcel(*chain, shape_, way, bytes);
  }
  struct Placed {
    uint32_t taken = 0;                 // blocks
    uint32_t held = 0;                  // that were here before
    PlaceFlaw flaw = PlaceFlaw::kNone;  // of the rest
  };
  Placed Place(const KvChainPtr& chain, const OpenedParcel& opened, Deadline until = Soon());

  // The engine's thread: the tenant's KV is named anew.
  void SetGeneration(const std::string& tenant, uint64_t generation);

 private:
  struct Copy;
  // Waits for what `task` hands to its argument; nothing if the engine ends before.
  template <typename T>
  std::optional<T> Ask(std::function<void(std::function<void(T)>)> task, Deadline until);

  uint64_t GenerationOf(const std::string& tenant) const;
  KvChainPtr MakeChain(const std::string& tenant, std::vector<TokenId> tokens);
  uint32_t CopyFromMemory(const KvChain& chain, Copy& copy);
  // Blocks [first, first + count) lie at `blocks`.
  enum class From : uint8_t { kDisk, kAfar };
  Placed PlaceNow(const KvChain& chain, uint32_t first, uint32_t count, const std::byte* blocks,
                  From from);
  void FetchThen(const KvChain& chain, uint32_t first, uint32_t count,
                 std::function<void(std::vector<std::byte>, uint32_t)> done);

  const Parts parts_;
  const BlockShape shape_;
  std::unordered_map<std::string, uint64_t> generations_;  // the engine's thread
};

}  // namespace quire
