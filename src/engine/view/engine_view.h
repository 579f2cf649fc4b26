// engine/view/engine_view.h -- what an engine is doing, as of one moment between two steps.
//
// Made when somebody looks, never otherwise. It knows lengths, states and owners; no token, no text
// and no name of a block is in it.
//
// Threads  plain data.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace quire {

enum class BlockState : uint8_t { kFree, kLive, kIdle, kPinned };

// Pieces of the map in a row that are alike.
struct BlockRun {
  uint32_t pieces = 0;
  BlockState state = BlockState::kFree;
  uint32_t tenant = 0;  // index into EngineView::tenants; 0 if they are free
  bool operator==(const BlockRun&) const = default;
};

enum class RequestPhase : uint8_t {
  kDisk,     // its blocks are read from the disk
  kQueued,   // it waits for its turn, for memory, or for somebody who computes its prefix
  kPrefill,  // its prompt is read
  kDecode,   // its answer is generated
};

struct RequestView {
  RequestId id{};
  uint32_t tenant = 0;     // index into EngineView::tenants
  std::string route = {};  // as the client calls it; empty: nothing
  RequestPhase phase = RequestPhase::kQueued;
  uint32_t choices = 1;
  double age_seconds = 0;  // since it arrived
  uint32_t prompt_tokens = 0;
  uint32_t cached_tokens = 0;     // of the prompt, found rather than computed
  uint32_t computed_tokens = 0;   // of the prompt, whose KV is there, found ones too
  uint32_t generated_tokens = 0;  // of all choices
  uint32_t max_tokens = 0;        // of one choice
  uint32_t blocks = 0;            // held by its choices; shared ones count for each
  uint32_t preemptions = 0;
};

struct EngineView {
  static constexpr size_t kMostRequests = 256;
  static constexpr uint32_t kMostPieces = 8192;

  EngineStats stats;
  std::vector<std::string> tenants;  // by OwnerId
  // All blocks in order of their ids, in pieces of `map_blocks` (the last may be smaller), each of
  // the state and tenant that most of its blocks have.
  std::vector<BlockRun> map;
  uint32_t map_blocks = 1;
  std::vector<RequestView> requests;  // oldest first, at most kMostRequests
  uint32_t requests_left_out = 0;
};

// A piece of the prefix tree: consecutive blocks of one chain that have one child each and share
// their state.
struct PrefixNode {
  static constexpr uint32_t kRoot = 0xffffffff;

  uint32_t parent = kRoot;  // index of an earlier node
  uint32_t tenant = 0;      // index into PrefixTree::tenants
  BlockState state = BlockState::kIdle;
  uint32_t blocks = 0;
  uint32_t disk_blocks = 0;    // of those, also on disk
  uint32_t hits = 0;           // how often its first block was read again
  double unused_seconds = 0;   // since a text was read that it is part of
  uint32_t folded_blocks = 0;  // in children that are too many to be shown
};

// What the prefix cache holds. The largest pieces, if there are more than kMostNodes.
struct PrefixTree {
  static constexpr size_t kMostNodes = 2000;

  std::vector<std::string> tenants;  // by OwnerId
  std::vector<PrefixNode> nodes;     // parents before children
  uint32_t folded_blocks = 0;        // of whole chains that are not shown
};

}  // namespace quire
