#include "engine/disk/offloader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/cpu_time.h"
#include "engine/disk/disk_owner.h"
#include "engine/disk/kv_copy.h"

namespace quire {

Offloader::Offloader(const KvView& view, SsdTier& tier)
    : view_(view), tier_(tier), allowance_(tier.most_run_blocks() * view.shape.block_bytes()) {}

void Offloader::Note(const CommittedBlocks& blocks, const BlockOwnerPtr& owner) {
  for (uint32_t i = blocks.first; i < blocks.end; ++i) {
    const BlockName& name = blocks.names.Of(i, blocks.tokens, kBlockTokens);
    if (tier_.Contains(name)) continue;
    Pending pending{.block = blocks.table[i],
                    .name = name,
                    .parent = {},
                    .root_tag = RootTag(blocks.names.RootOf(i)),
                    .owner = owner};
    if (i > 0) pending.parent = blocks.names.Of(i - 1, blocks.tokens, kBlockTokens);
    std::ranges::copy(blocks.tokens.subspan(size_t{i} * kBlockTokens, kBlockTokens),
                      pending.tokens);
    pending_.push_back(std::move(pending));
  }
}

void Offloader::Work(const KvCache& cache, Activity activity) {
  // Those behind the first may have been evicted, and noted again.
  if (pending_.size() > view_.num_blocks) {
    std::erase_if(pending_, [&](const Pending& one) { return !IsWanted(cache, one); });
  }
  for (;;) {
    DropUnneeded(cache);
    if (pending_.empty()) return;
    LearnCost();
    const uint32_t blocks = RunLength(cache);
    const uint64_t bytes = blocks * view_.shape.block_bytes();
    if (!IsBehind(cache) && !allowance_.CanTake(activity, bytes)) return;
    if (!HandOver(blocks)) return;
    allowance_.Take(activity, bytes);
  }
}

// To compute again what was evicted before its turn costs far more than writing disturbs. What
// waits is the youngest, so most of what can be evicted goes before it.
bool Offloader::IsBehind(const KvCache& cache) const {
  const uint64_t evictable = uint64_t{cache.pool().num_free()} + cache.pool().num_idle();
  return 4 * pending_.size() > evictable ||
         pending_.size() * view_.shape.block_bytes() > kMostPendingBytes;
}

// Of some megabytes at a time, since a byte may cost more than it did an hour ago.
void Offloader::LearnCost() {
  const DiskCounts counts = tier_.counts();
  const uint64_t bytes = counts.write_bytes - learned_.write_bytes;
  const uint64_t enough = tier_.most_run_blocks() * view_.shape.block_bytes();
  if (bytes == 0 || (learned_.write_bytes > 0 && bytes < enough)) return;
  const double write =
      (counts.write_cpu_seconds - learned_.write_cpu_seconds) / static_cast<double>(bytes);
  const double copy = copy_seconds_ / static_cast<double>(std::max<uint64_t>(copied_bytes_, 1));
  allowance_.SetCost(write + copy);
  learned_ = counts;
}

void Offloader::DropUnneeded(const KvCache& cache) {
  while (!pending_.empty() && !IsWanted(cache, pending_.front())) pending_.pop_front();
}

bool Offloader::IsWanted(const KvCache& cache, const Pending& pending) {
  const bool held = cache.Holds(pending.block, pending.name);
  num_lost_ += !held;
  return held && !tier_.Contains(pending.name);
}

// Those at the front that hang on each other.
uint32_t Offloader::RunLength(const KvCache& cache) {
  uint32_t length = 1;
  while (length < pending_.size() && length < tier_.most_run_blocks()) {
    const Pending& next = pending_[length];
    const Pending& last = pending_[length - 1];
    if (next.parent != last.name || next.root_tag != last.root_tag || next.owner != last.owner ||
        !cache.Holds(next.block, next.name)) {
      break;
    }
    ++length;
  }
  return length;
}

bool Offloader::HandOver(uint32_t blocks) {
  auto run = tier_.Begin(blocks);
  if (!run) return false;
  const double begin = ThreadCpuSeconds();
  const uint64_t block_bytes = view_.shape.block_bytes();
  run->owner = pending_.front().owner;
  run->root_tag = pending_.front().root_tag;
  run->parent = pending_.front().parent;
  for (uint32_t i = 0; i < blocks; ++i) {
    const Pending& pending = pending_.front();
    run->names.push_back(pending.name);
    const auto note = std::as_bytes(std::span(pending.tokens));
    run->notes.insert(run->notes.end(), note.begin(), note.end());
    CopyFromArena(view_, pending.block, run->buffer.data() + run->blocks_at + i * block_bytes);
    pending_.pop_front();
  }
  copy_seconds_ += ThreadCpuSeconds() - begin;
  copied_bytes_ += blocks * block_bytes;
  tier_.Write(*std::move(run));
  return true;
}

}  // namespace quire
