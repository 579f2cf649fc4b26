// text/merge_symbols.h -- the loop that both kinds of BPE share: join the best neighbours, again
// and again.
//
// Of all neighbouring pairs that may be joined, the one with the lowest order goes first, and of
// equals the leftmost, until no pair is left. Short words (nearly all) are scanned; long ones use
// a heap, so that a megabyte without a space costs n log n, not n squared.
//
// Threads  a Merger is one caller's scratch memory. Cost: O(n log n) calls of `find`.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace quire {

// A piece of the word that is being merged.
struct Symbol {
  uint32_t begin;  // in bytes, from the start of the word
  uint32_t size;   // 0 once it was joined to its left neighbour
  uint32_t unit;   // what it is called by the caller (PieceTable::kNone: nothing)
};

struct Merge {
  static constexpr uint64_t kNever = UINT64_MAX;
  uint64_t order = kNever;  // lower goes first
  uint32_t unit = 0;        // of the joined symbol
};

class Merger {
 public:
  std::vector<Symbol> symbols;  // filled by the caller, left merged

  // find(const Symbol& left, const Symbol& right) -> Merge; order kNever if they do not join.
  template <typename Find>
  void Run(const Find& find) {
    if (symbols.size() < 2) return;
    if (symbols.size() <= kScanLimit) {
      Scan(find);
    } else {
      Heap(find);
    }
  }

 private:
  static constexpr size_t kScanLimit = 48;  // beyond, scanning grows quadratic

  struct Pair {
    uint64_t order;
    uint32_t left;  // indices of symbols
    uint32_t right;
    uint32_t size;  // bytes of both: symbols only grow, so an equal sum means unchanged
    uint32_t unit;
    bool operator<(const Pair& other) const {  // std::push_heap keeps the greatest on top
      return order != other.order ? order > other.order : left > other.left;
    }
  };

  template <typename Find>
  void Scan(const Find& find) {
    merges_.resize(symbols.size());  // [i]: of symbols i and i + 1
    size_t count = symbols.size();
    for (size_t i = 0; i + 1 < count; ++i) merges_[i] = find(symbols[i], symbols[i + 1]);
    while (count > 1) {
      size_t best = 0;
      for (size_t i = 1; i + 1 < count; ++i) {
        if (merges_[i].order < merges_[best].order) best = i;
      }
      if (merges_[best].order == Merge::kNever) break;
      symbols[best].size += symbols[best + 1].size;
      symbols[best].unit = merges_[best].unit;
      std::copy(symbols.begin() + best + 2, symbols.begin() + count, symbols.begin() + best + 1);
      std::copy(merges_.begin() + best + 1, merges_.begin() + count - 1, merges_.begin() + best);
      --count;
      if (best > 0) merges_[best - 1] = find(symbols[best - 1], symbols[best]);
      if (best + 1 < count) merges_[best] = find(symbols[best], symbols[best + 1]);
    }
    symbols.resize(count);
  }

  template <typename Find>
  void Heap(const Find& find) {
    Link();
    for (uint32_t i = 0; i + 1 < symbols.size(); ++i) Push(i, i + 1, find);
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end());
      const Pair pair = heap_.back();
      heap_.pop_back();
      Symbol& left = symbols[pair.left];
      Symbol& right = symbols[pair.right];
      if (left.size == 0 || right.size == 0 || left.size + right.size != pair.size) continue;
      left.size = pair.size;
      left.unit = pair.unit;
      right.size = 0;
      next_[pair.left] = next_[pair.right];
      if (next_[pair.left] != kEnd) previous_[next_[pair.left]] = pair.left;
      if (previous_[pair.left] != kEnd) Push(previous_[pair.left], pair.left, find);
      if (next_[pair.left] != kEnd) Push(pair.left, next_[pair.left], find);
    }
    std::erase_if(symbols, [](const Symbol& symbol) { return symbol.size == 0; });
  }

  void Link() {
    const uint32_t count = static_cast<uint32_t>(symbols.size());
    heap_.clear();
    previous_.resize(count);
    next_.resize(count);
    for (uint32_t i = 0; i < count; ++i) {
      previous_[i] = i == 0 ? kEnd : i - 1;
      next_[i] = i + 1 == count ? kEnd : i + 1;
    }
  }

  template <typename Find>
  void Push(uint32_t left, uint32_t right, const Find& find) {
    const Merge merge = find(symbols[left], symbols[right]);
    if (merge.order == Merge::kNever) return;
    heap_.push_back(
        {merge.order, left, right, symbols[left].size + symbols[right].size, merge.unit});
    std::push_heap(heap_.begin(), heap_.end());
  }

  static constexpr uint32_t kEnd = UINT32_MAX;
  std::vector<Merge> merges_;
  std::vector<Pair> heap_;
  std::vector<uint32_t> previous_;
  std::vector<uint32_t> next_;
};

}  // namespace quire
