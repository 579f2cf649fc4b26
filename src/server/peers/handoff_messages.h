// server/peers/handoff_messages.h -- what is said during a hand-off (docs/formats.md, "Hand-off").
//
// Threads  pure functions.
// Errors   kPeer for bytes that are no such message: a peer of another version.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/transfer/kv_chain.h"

namespace quire {

struct OfferMessage {
  std::string handoff;
  std::string tenant;
  std::string id;
};

struct PulledMessage {
  std::string origin;  // SessionStore::StoreId of the owner
  KvIdentity kv;
  std::string file;  // session_file.h
};

struct BlocksMessage {
  std::string handoff;
  bool aes = false;
  std::vector<std::string> names;  // in a row, 32 bytes each
};

// What became of the KV.
struct KvReport {
  uint32_t blocks = 0;  // full ones of the session
  uint32_t held = 0;    // the receiver had, in memory or on disk
  uint32_t asked = 0;   // for
  uint32_t taken = 0;
  uint64_t bytes = 0;  // that were sent for them
  std::string why;     // the rest is computed again; empty: there is no rest to speak of
  bool operator==(const KvReport&) const = default;
};

struct TakenMessage {
  uint64_t epoch = 0;
  uint32_t tokens = 0;
  KvReport kv;
};

// What the owner says of a hand-off that was interrupted.
enum class Fate : uint32_t {
  kMoved = 1,  // it belongs to who asks
  kKept = 2,   // it does not, and never will by this hand-off
  kLost = 3    // the owner has lost all it had, so it belongs to who asks
};

struct ResolveMessage {
  std::string handoff;
  std::string origin;
};

struct ArrivedMessage {
  std::string handoff;
  std::string tenant;
  std::string id;
  uint64_t epoch = 0;
};

std::string Encode(const OfferMessage& message);
std::string Encode(const PulledMessage& message);
std::string Encode(const BlocksMessage& message);
std::string Encode(const TakenMessage& message);
std::string Encode(const ResolveMessage& message);
std::string Encode(const ArrivedMessage& message);

Result<OfferMessage> DecodeOffer(std::string_view bytes);
Result<PulledMessage> DecodePulled(std::string_view bytes);
Result<BlocksMessage> DecodeBlocks(std::string_view bytes);
Result<TakenMessage> DecodeTaken(std::string_view bytes);
Result<ResolveMessage> DecodeResolve(std::string_view bytes);
Result<ArrivedMessage> DecodeArrived(std::string_view bytes);

}  // namespace quire
