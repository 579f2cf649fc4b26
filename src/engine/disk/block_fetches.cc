#include "engine/disk/block_fetches.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace quire {

void BlockFetches::Start(Wish wish) {
  const uint64_t ticket = ++last_ticket_;
  Entry entry;
  entry.asked = tier_.Load(ticket, wish.owner, wish.names);
  if (entry.asked == 0) return wish.done({}, 0);
  entry.arrived.assign(entry.asked, false);
  entry.blocks.resize(entry.asked * tier_.shape().block_bytes());
  entry.wish = std::move(wish);
  entries_.emplace(ticket, std::move(entry));
}

bool BlockFetches::IsSame(const Entry& entry, const ReadBlocks& blocks, uint32_t i) const {
  const Wish& wish = entry.wish;
  const uint32_t at = blocks.first + i;
  if (blocks.root_tag != wish.root_tag) return false;
  if (i == 0 && blocks.parent != (at == 0 ? wish.parent : wish.names[at - 1])) return false;
  const size_t note_bytes = tier_.shape().note_bytes;
  const auto note = std::span(blocks.notes).subspan(i * note_bytes, note_bytes);
  return std::ranges::equal(
      std::as_bytes(std::span(wish.tokens)).subspan(at * note_bytes, note_bytes), note);
}

void BlockFetches::Take(const ReadBlocks& blocks) {
  const auto found = entries_.find(blocks.ticket);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  const uint64_t block_bytes = tier_.shape().block_bytes();
  entry.accounted += blocks.asked;
  for (uint32_t i = 0; i < blocks.count && IsSame(entry, blocks, i); ++i) {
    std::memcpy(entry.blocks.data() + (blocks.first + i) * block_bytes, blocks.blocks[i].data(),
                block_bytes);
    entry.arrived[blocks.first + i] = true;
  }
  if (entry.accounted < entry.asked) return;
  Entry done = std::move(entry);
  entries_.erase(found);
  const auto gap = std::ranges::find(done.arrived, false);
  const auto count = static_cast<uint32_t>(gap - done.arrived.begin());
  done.blocks.resize(count * block_bytes);
  done.wish.done(std::move(done.blocks), count);
}

}  // namespace quire
