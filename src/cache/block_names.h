// cache/block_names.h -- what the full blocks of one sequence are called, each name hashed once.
//
// A memo beside the tokens it names: asking for block i hashes the blocks up to i that nobody asked
// for yet. Names are chained (block_name.h), so two sequences of one scope whose blocks i have one
// name have equal blocks 0 to i.
//
// A sequence may begin with a public prefix: its first blocks are then named under the root of
// that, and the one after them hangs on it under the sequence's own root.
//
// Threads  none, not even for reading. Errors  none.
// Cost     a vector access; the first time, a NextBlockName per new block, and 32 bytes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/token_id.h"
#include "cache/block_name.h"
#include "cache/scope.h"

namespace quire {

class BlockNames {
 public:
  BlockNames() = default;
  BlockNames(const Scope& scope)
      : root_(scope.root), kin_(scope.kin) {}  // a scope will do where names are asked

  // The first `blocks` blocks are named under `scope`. Before any name is asked for.
  struct PublicPrefix {
    Scope scope;
    uint32_t blocks = 0;
  };
  BlockNames(const Scope& scope, const PublicPrefix& prefix)
      : root_(scope.root),
        kin_(scope.kin),
        public_root_(prefix.scope.root),
        public_blocks_(prefix.blocks) {}

  // The name of block i of `tokens`, which must be full. From call to call tokens may be added, but
  // the blocks named before stay what they were.
  const BlockName& Of(uint32_t i, std::span<const TokenId> tokens, uint32_t block_tokens) const;

  // Of blocks 0 to i, whatever they are named under; 8 bytes a block that it was asked for.
  uint64_t FingerprintOf(uint32_t i, std::span<const TokenId> tokens, uint32_t block_tokens) const;

  // How many blocks at the start, `limit` at most, are the same as those of `other`. Both must have
  // been asked for that many. O(log limit).
  uint32_t CommonBlocks(const BlockNames& other, uint32_t limit) const;

  void Reserve(uint32_t num_blocks) {
    names_.reserve(num_blocks);
    fingerprints_.reserve(num_blocks);
  }
  const BlockName& root() const { return root_; }
  const BlockName& RootOf(uint32_t i) const { return i < public_blocks_ ? public_root_ : root_; }
  uint32_t size() const { return static_cast<uint32_t>(names_.size()); }  // hashed so far

 private:
  BlockName root_;
  KinKey kin_{};
  BlockName public_root_;
  uint32_t public_blocks_ = 0;
  mutable std::vector<BlockName> names_;
  mutable std::vector<uint64_t> fingerprints_;
};

}  // namespace quire
