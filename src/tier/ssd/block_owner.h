// tier/ssd/block_owner.h -- whose blocks are written or read, and the key they are sealed with.
#pragma once

#include <memory>
#include <string>

#include "tier/ssd/record_format.h"

namespace quire {

struct BlockOwner {
  OwnerTag tag;
  std::string key;  // kOwnerKeyBytes; empty where nothing is sealed
};
using BlockOwnerPtr = std::shared_ptr<const BlockOwner>;

}  // namespace quire
