// Fetching KV: several parcels are on their way at once, and placed in their order, since a block
// can only be found behind the one it hangs on.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "engine/transfer/kv_courier.h"
#include "server/peers/handoff_receiver.h"
#include "server/peers/handoff_sender.h"

namespace quire {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kLanes = 3;

class Fetch {
 public:
  Fetch(PeerLink& link, const Peer& from, const std::string& handoff, const KvChainPtr& chain,
        KvCourier& courier, uint32_t first, KvCourier::Deadline until)
      : link_(link),
        from_(from),
        handoff_(handoff),
        chain_(chain),
        courier_(courier),
        end_(until),
        next_(first),
        placed_(first) {}

  void Run() {
    std::vector<std::thread> lanes;
    try {
      for (uint32_t i = 1; i < kLanes; ++i) lanes.emplace_back([this] { TryLane(); });
    } catch (const std::system_error&) {
      // No thread is left on this machine: fewer lanes do it too.
    }
    TryLane();
    for (std::thread& lane : lanes) lane.join();
  }

  void AddTo(KvReport& report) const {
    report.asked = asked_;
    report.taken = taken_;
    report.bytes = bytes_;
    report.why = why_;
  }

 private:
  // Names of the next blocks nobody has asked for.
  std::vector<std::string> TakeNames(uint32_t& first) {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    first = next_;
    if (stopped_) return names;
    const uint32_t end = std::min(next_ + courier_.parcel_blocks(), chain_->num_blocks());
    for (; next_ < end; ++next_) {
      const auto& bytes = chain_->block_names[next_].bytes;
      names.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    if (Clock::now() < end_) asked_ += static_cast<uint32_t>(names.size());
    return names;
  }

  // Without memory for a parcel, or with one that no library could read, there is none after it.
  void TryLane() {
    try {
      Lane();
    } catch (const std::exception&) {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
      turn_.notify_all();
    }
  }

  void Lane() {
    for (;;) {
      uint32_t first = 0;
      std::vector<std::string> names = TakeNames(first);
      if (names.empty()) return;
      const auto wanted = static_cast<uint32_t>(names.size());
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now());
      Result<std::string> parcel = std::string();
      if (left.count() > 0) {
        const std::string question =
            Encode(BlocksMessage{handoff_, KvCourier::has_aes(), std::move(names)});
        parcel = link_.Fetch(from_, "blocks", question, left);
      }
      Place(first, wanted, parcel);
    }
  }

  void Place(uint32_t first, uint32_t wanted, Result<std::string>& parcel) {
    OpenedParcel opened;
    if (parcel && !parcel->empty()) {
      opened = courier_.Open(chain_, way_,
                             std::as_writable_bytes(std::span(parcel->data(), parcel->size())));
    }
    std::unique_lock lock(mutex_);
    turn_.wait(lock, [&] { return stopped_ || placed_ == first; });
    if (parcel) bytes_ += parcel->size();
    if (stopped_) return;
    KvCourier::Placed placed;
    if (opened.count > 0 && opened.first != first) opened.flaw = ParcelFlaw::kOtherText;
    if (opened.count > 0 && opened.first == first) placed = courier_.Place(chain_, opened, end_);
    taken_ += placed.taken;
    placed_ = first + placed.taken + placed.held;
    if (placed_ < first + wanted) Stop(parcel, opened, placed.flaw, first + wanted);
    turn_.notify_all();
  }

  void Stop(const Result<std::string>& parcel, const OpenedParcel& opened, PlaceFlaw flaw,
            uint32_t end) {
    stopped_ = true;
    const bool at_end = end == chain_->num_blocks() && opened.flaw == ParcelFlaw::kNone;
    if (Clock::now() >= end_) {
      why_ = "not all of it came in the time that a hand-off has for KV";
    } else if (!parcel) {
      why_ = parcel.error().message;
    } else if (opened.flaw != ParcelFlaw::kNone && !parcel->empty()) {
      why_ = "a block that came was not what it should be";
    } else if (flaw != PlaceFlaw::kNone) {
      why_ = InWords(flaw);
    } else if (!at_end) {
      why_ = "the peer had no more of it in memory or on disk";
    }
  }

  PeerLink& link_;
  const Peer& from_;
  const std::string& handoff_;
  const KvChainPtr& chain_;
  KvCourier& courier_;
  const std::string way_ = KvWayOf(from_);
  const KvCourier::Deadline end_;

  std::mutex mutex_;
  std::condition_variable turn_;
  uint32_t next_;    // to be asked for
  uint32_t placed_;  // blocks that are in memory
  bool stopped_ = false;
  uint32_t asked_ = 0;
  uint32_t taken_ = 0;
  uint64_t bytes_ = 0;
  std::string why_;
};

}  // namespace

KvReport FetchKv(PeerLink& link, const Peer& from, const std::string& handoff,
                 const KvChainPtr& chain, KvCourier& courier, KvCourier::Deadline until) {
  KvReport report;
  report.blocks = chain->num_blocks();
  const KvCourier::Held held = courier.HeldOf(chain, until);
  const uint32_t lifted = held.disk == 0 ? 0 : courier.Lift(chain, held.memory, held.disk, until);
  report.held = held.memory + lifted;
  if (report.held >= report.blocks) return report;
  Fetch fetch(link, from, handoff, chain, courier, report.held, until);
  fetch.Run();
  fetch.AddTo(report);
  return report;
}

}  // namespace quire
