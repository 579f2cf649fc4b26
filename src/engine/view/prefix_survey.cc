#include "engine/view/prefix_survey.h"

#include <algorithm>
#include <numeric>

namespace quire {
namespace {

constexpr double kMsPerSecond = 1000;

BlockState StateOf(const BlockPool& pool, BlockId block) {
  if (pool.is_free(block)) return BlockState::kFree;
  if (pool.ref_count(block) > 0) return BlockState::kLive;
  return pool.is_idle(block) ? BlockState::kIdle : BlockState::kPinned;
}

// The tree over block ids, then over pieces of chains.
class Survey {
 public:
  Survey(const KvCache& cache, const TreeWish& wish)
      : cache_(cache), wish_(wish), children_(cache.pool().capacity()) {}

  PrefixTree Take() {
    Link();
    std::vector<Piece> pieces = Cut();
    Weigh(pieces);
    return Show(pieces);
  }

 private:
  struct Piece {
    PrefixNode node;  // its parent is an index of `pieces`
    std::vector<uint32_t> children;
    uint64_t weight = 0;  // blocks of it and all below
  };

  bool IsWanted(BlockId block) const {
    const BlockPool& pool = cache_.pool();
    return !pool.is_free(block) && pool.is_named(block) &&
           (!wish_.owner || pool.owner_of(block) == *wish_.owner);
  }

  void Link() {
    for (uint32_t i = 0; i < children_.size(); ++i) {
      const BlockId block{i};
      if (!IsWanted(block)) continue;
      const BlockId parent = cache_.parent_of(block);
      const bool is_root = parent == kNoBlock || !IsWanted(parent);
      (is_root ? roots_ : children_[Index(parent)]).push_back(block);
    }
  }

  bool IsAlike(BlockId a, BlockId b) const {
    const BlockPool& pool = cache_.pool();
    return StateOf(pool, a) == StateOf(pool, b) && pool.owner_of(a) == pool.owner_of(b);
  }

  void AddBlock(PrefixNode& node, BlockId block) const {
    const BlockUse& use = cache_.use_of(block);
    if (node.blocks == 0) {
      node.state = StateOf(cache_.pool(), block);
      node.tenant = Index(cache_.pool().owner_of(block));
      node.hits = use.hits;
    }
    const TickMs unused_ms = cache_.now() - std::min(cache_.now(), use.last_use);
    const double unused = static_cast<double>(unused_ms) / kMsPerSecond;
    node.unused_seconds = node.blocks == 0 ? unused : std::min(node.unused_seconds, unused);
    ++node.blocks;
    node.disk_blocks += wish_.on_disk(cache_.name_of(block)) ? 1 : 0;
  }

  // Parents before children.
  std::vector<Piece> Cut() const {
    struct Todo {
      BlockId block;
      uint32_t parent;
    };
    std::vector<Todo> todo;
    for (const BlockId root : roots_) todo.push_back({root, PrefixNode::kRoot});
    std::vector<Piece> pieces;
    while (!todo.empty()) {
      auto [block, parent] = todo.back();
      todo.pop_back();
      Piece piece;
      piece.node.parent = parent;
      AddBlock(piece.node, block);
      while (children_[Index(block)].size() == 1 && IsAlike(block, children_[Index(block)][0])) {
        block = children_[Index(block)][0];
        AddBlock(piece.node, block);
      }
      const auto index = static_cast<uint32_t>(pieces.size());
      if (parent != PrefixNode::kRoot) pieces[parent].children.push_back(index);
      for (const BlockId child : children_[Index(block)]) todo.push_back({child, index});
      pieces.push_back(std::move(piece));
    }
    return pieces;
  }

  static void Weigh(std::vector<Piece>& pieces) {
    for (size_t i = pieces.size(); i-- > 0;) {
      Piece& piece = pieces[i];
      piece.weight += piece.node.blocks;
      if (piece.node.parent != PrefixNode::kRoot) pieces[piece.node.parent].weight += piece.weight;
      std::ranges::sort(piece.children, [&](uint32_t a, uint32_t b) {
        return pieces[a].weight != pieces[b].weight ? pieces[a].weight > pieces[b].weight : a < b;
      });
    }
  }

  // The heaviest pieces, and with each its parent: that is heavier, or as heavy and before it.
  std::vector<bool> Chosen(const std::vector<Piece>& pieces) const {
    std::vector<bool> chosen(pieces.size(), pieces.size() <= wish_.most_nodes);
    if (pieces.size() <= wish_.most_nodes) return chosen;
    std::vector<uint32_t> order(pieces.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(
        order, [&](uint32_t a, uint32_t b) { return pieces[a].weight > pieces[b].weight; });
    for (size_t i = 0; i < wish_.most_nodes; ++i) chosen[order[i]] = true;
    return chosen;
  }

  PrefixTree Show(const std::vector<Piece>& pieces) const {
    const std::vector<bool> chosen = Chosen(pieces);
    PrefixTree tree;
    std::vector<uint32_t> todo;
    for (uint32_t i = static_cast<uint32_t>(pieces.size()); i-- > 0;) {
      if (pieces[i].node.parent == PrefixNode::kRoot) todo.push_back(i);
    }
    std::ranges::stable_sort(
        todo, [&](uint32_t a, uint32_t b) { return pieces[a].weight < pieces[b].weight; });
    std::vector<uint32_t> shown_as(pieces.size(), PrefixNode::kRoot);
    while (!todo.empty()) {
      const uint32_t at = todo.back();
      todo.pop_back();
      const Piece& piece = pieces[at];
      const uint32_t parent = piece.node.parent;
      const bool is_root = parent == PrefixNode::kRoot;
      if (!chosen[at]) {
        (is_root ? tree.folded_blocks : tree.nodes[shown_as[parent]].folded_blocks) +=
            static_cast<uint32_t>(piece.weight);
        continue;
      }
      PrefixNode node = piece.node;
      node.parent = is_root ? PrefixNode::kRoot : shown_as[parent];
      shown_as[at] = static_cast<uint32_t>(tree.nodes.size());
      tree.nodes.push_back(node);
      todo.insert(todo.end(), piece.children.rbegin(), piece.children.rend());
    }
    return tree;
  }

  const KvCache& cache_;
  const TreeWish& wish_;
  std::vector<std::vector<BlockId>> children_;  // [capacity], by block
  std::vector<BlockId> roots_;
};

BlockRun KindOf(const BlockPool& pool, BlockId block) {
  BlockRun kind{1, StateOf(pool, block), 0};
  if (kind.state != BlockState::kFree) kind.tenant = Index(pool.owner_of(block));
  return kind;
}

bool IsLike(const BlockRun& a, const BlockRun& b) {
  return a.state == b.state && a.tenant == b.tenant;
}

void AddTo(std::vector<BlockRun>& kinds, const BlockRun& kind) {
  const auto known =
      std::ranges::find_if(kinds, [&](const BlockRun& one) { return IsLike(one, kind); });
  if (known == kinds.end()) {
    kinds.push_back(kind);
  } else {
    known->pieces += kind.pieces;
  }
}

}  // namespace

std::vector<BlockRun> MapOf(const BlockPool& pool, uint32_t map_blocks) {
  std::vector<BlockRun> map;
  std::vector<BlockRun> piece;  // what is in it, by kind
  for (uint32_t first = 0; first < pool.capacity(); first += map_blocks) {
    piece.clear();
    const uint32_t end = std::min(pool.capacity(), first + map_blocks);
    for (uint32_t i = first; i < end; ++i) AddTo(piece, KindOf(pool, BlockId{i}));
    BlockRun most = *std::ranges::max_element(piece, {}, &BlockRun::pieces);
    most.pieces = 1;
    const bool goes_on = !map.empty() && IsLike(map.back(), most);
    if (goes_on) {
      ++map.back().pieces;
    } else {
      map.push_back(most);
    }
  }
  return map;
}

PrefixTree TreeOf(const KvCache& cache, const TreeWish& wish) { return Survey(cache, wish).Take(); }

}  // namespace quire
