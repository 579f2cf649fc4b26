#include "server/peers/handoff_metrics.h"

#include <string>

namespace quire {
namespace {

constexpr HandoffDirection kDirections[] = {HandoffDirection::kOut, HandoffDirection::kIn};

std::string NameOf(HandoffDirection direction) {
  return direction == HandoffDirection::kOut ? "out" : "in";
}

std::string OutcomeOf(const Error* error, bool settled) {
  if (error == nullptr) return settled ? "moved" : "unsettled";
  return error->code == ErrorCode::kPeer ? "failed" : "refused";
}

}  // namespace

HandoffMetrics::HandoffMetrics()
    : handoffs_(prometheus::BuildCounter()
                    .Name("quire_handoffs_total")
                    .Help("Sessions handed to peers (out) and taken from them (in), by how that "
                          "ended.")
                    .Register(registry_)),
      blocks_(prometheus::BuildCounter()
                  .Name("quire_handoff_kv_blocks_total")
                  .Help("Blocks of KV that were sent in hand-offs (out), and taken (in).")
                  .Register(registry_)),
      bytes_(prometheus::BuildCounter()
                 .Name("quire_handoff_kv_bytes_total")
                 .Help("Bytes of KV that were sent in hand-offs (out), and received (in).")
                 .Register(registry_)),
      in_doubt_(prometheus::BuildGauge()
                    .Name("quire_sessions_in_doubt")
                    .Help("Sessions of which a peer has still to say whose they are (arriving), or "
                          "that it has them (departed).")
                    .Register(registry_)) {
  for (const HandoffDirection direction : kDirections) {
    for (const char* outcome : {"moved", "unsettled", "failed", "refused"}) {
      handoffs_.Add({{"direction", NameOf(direction)}, {"outcome", outcome}});
    }
    blocks_.Add({{"direction", NameOf(direction)}});
    bytes_.Add({{"direction", NameOf(direction)}});
  }
  InDoubt({});
}

void HandoffMetrics::Ended(HandoffDirection direction, const Error* error, bool settled) {
  handoffs_.Add({{"direction", NameOf(direction)}, {"outcome", OutcomeOf(error, settled)}})
      .Increment();
}

void HandoffMetrics::Kv(HandoffDirection direction, uint64_t blocks, uint64_t bytes) {
  blocks_.Add({{"direction", NameOf(direction)}}).Increment(static_cast<double>(blocks));
  bytes_.Add({{"direction", NameOf(direction)}}).Increment(static_cast<double>(bytes));
}

void HandoffMetrics::InDoubt(const SessionStore::Doubts& doubts) {
  in_doubt_.Add({{"side", "arriving"}}).Set(static_cast<double>(doubts.arriving));
  in_doubt_.Add({{"side", "departed"}}).Set(static_cast<double>(doubts.departed));
}

}  // namespace quire
