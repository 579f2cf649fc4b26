#include "cache/block_names.h"

#include <algorithm>

#include "base/check.h"

namespace quire {

const BlockName& BlockNames::Of(uint32_t i, std::span<const TokenId> tokens,
                                uint32_t block_tokens) const {
  QUIRE_CHECK((uint64_t{i} + 1) * block_tokens <= tokens.size(), "only full blocks have names");
  while (size() <= i) {
    const auto block = tokens.subspan(size_t{size()} * block_tokens, block_tokens);
    const BlockName& root = RootOf(size());
    names_.push_back(NextBlockName(root, names_.empty() ? root : names_.back(), block));
  }
  return names_[i];
}

uint32_t BlockNames::CommonBlocks(const BlockNames& other, uint32_t limit) const {
  QUIRE_CHECK(limit <= size() && limit <= other.size());
  if (limit == 0 || root_ != other.root_) return 0;
  const auto first = names_.begin();
  const auto same = [&](const BlockName& name) { return name == other.names_[&name - &*first]; };
  return static_cast<uint32_t>(std::partition_point(first, first + limit, same) - first);
}

}  // namespace quire
