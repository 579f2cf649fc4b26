#include "sched/waiting_queue.h"

#include <algorithm>
#include <tuple>

namespace quire {

void WaitingQueue::Reserve(size_t sequences) {
  if (queue_.capacity() < sequences) queue_.reserve(2 * sequences);
}

void WaitingQueue::Insert(Sequence* sequence) {
  queue_.insert(std::ranges::lower_bound(queue_, sequence->id, {}, &Sequence::id), sequence);
}

void WaitingQueue::Remove(Sequence* sequence) { std::erase(queue_, sequence); }

Sequence* WaitingQueue::Next(const FairShare& share, const std::vector<bool>& closed) const {
  Sequence* best = nullptr;
  const auto key = [&](const Sequence& s) {
    return std::tuple(share.clock(s.owner()), Index(s.owner()), RankOf(s), s.id);
  };
  for (Sequence* sequence : queue_) {
    if (sequence->awaits != kNoSequence || sequence->put_off || closed[Index(sequence->owner())])
      continue;
    if (best == nullptr || key(*sequence) < key(*best)) best = sequence;
  }
  return best;
}

void WaitingQueue::EndPuttingOff() {
  for (Sequence* sequence : queue_) sequence->put_off = sequence->fetching;
}

}  // namespace quire
