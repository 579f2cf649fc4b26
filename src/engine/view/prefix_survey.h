// engine/view/prefix_survey.h -- reads the block map and the prefix tree off a cache.
//
// Threads  those of the cache.
// Cost     MapOf: O(blocks). TreeOf: O(named blocks * log), and a question to `on_disk` for each.
#pragma once

#include <functional>
#include <optional>

#include "cache/kv_cache.h"
#include "engine/view/engine_view.h"

namespace quire {

// EngineView::map, of pieces of `map_blocks` > 0.
std::vector<BlockRun> MapOf(const BlockPool& pool, uint32_t map_blocks);

struct TreeWish {
  std::optional<OwnerId> owner;  // only what it owns; nullopt: everything
  size_t most_nodes = PrefixTree::kMostNodes;
  std::function<bool(const BlockName&)> on_disk = [](const BlockName&) { return false; };
};
// Without the tenants' names. Nodes stand in the order of depth first, larger subtrees first.
PrefixTree TreeOf(const KvCache& cache, const TreeWish& wish);

}  // namespace quire
