#include "server/sessions/session_kv.h"

#include <algorithm>
#include <span>

#include "engine/engine.h"
#include "engine/transfer/kv_courier.h"

namespace quire {
namespace {

constexpr std::string_view kWay = "exported session";

// Why blocks of a parcel are not used.
std::string_view InWords(ParcelFlaw flaw, PlaceFlaw place) {
  switch (flaw) {
    case ParcelFlaw::kOtherShape:
      return "they are of another model, KV format or version of the numerics";
    case ParcelFlaw::kOtherOwner:
      return "they are of another tenant, master key or model, and are nobody else's to use";
    case ParcelFlaw::kOtherText:
      return "they are of another text";
    case ParcelFlaw::kBroken:
      return "they are damaged, cut off, or nobody of this installation sealed them";
    case ParcelFlaw::kNone:
      break;
  }
  return InWords(place);
}

}  // namespace

void AppendKv(const SessionCall& call, const std::vector<TokenId>& tokens, std::string& file) {
  KvCourier& courier = call.model->engine->courier();
  const KvChainPtr chain = courier.Chain(call.space.tenant, tokens);
  if (chain == nullptr) return;
  uint32_t at = chain->public_blocks;
  while (at < chain->num_blocks()) {
    const uint32_t count = std::min(courier.parcel_blocks(), chain->num_blocks() - at);
    // Not AES: a file is opened on machines that are not known yet.
    const std::string parcel = courier.Collect(chain, at, count, kWay, false);
    if (parcel.empty() || file.size() + parcel.size() > call.most_file_bytes) return;
    file += parcel;
    const auto bytes = std::as_bytes(std::span(parcel.data(), parcel.size()));
    const uint32_t there = BlocksInParcel(bytes);
    at += there;
    if (there < count) return;
  }
}

ImportedKv TakeKv(const SessionCall& call, const std::vector<TokenId>& tokens, size_t at) {
  ImportedKv kv;
  if (at >= call.body.size()) return kv;
  KvCourier& courier = call.model->engine->courier();
  const KvChainPtr chain = courier.Chain(call.space.tenant, tokens);
  std::string parcels = call.body.substr(at);
  auto rest = std::as_writable_bytes(std::span(parcels.data(), parcels.size()));
  if (chain == nullptr) kv.why = InWords(PlaceFlaw::kNoAnswer);
  while (chain != nullptr && !rest.empty()) {
    const OpenedParcel opened = courier.Open(chain, kWay, rest);
    const KvCourier::Placed placed = courier.Place(chain, opened);
    kv.blocks += opened.offered;
    kv.held += placed.held;
    kv.taken += placed.taken;
    const bool all = opened.bytes > 0 && placed.held + placed.taken == opened.offered;
    if (!all && kv.why.empty()) kv.why = InWords(opened.flaw, placed.flaw);
    if (opened.bytes == 0 || opened.bytes > rest.size()) break;
    rest = rest.subspan(opened.bytes);
  }
  return kv;
}

void WriteImportedKv(const ImportedKv& kv, JsonWriter& json) {
  json.BeginObject().Field("blocks", kv.blocks).Field("held", kv.held);
  json.Field("taken", kv.taken).Key("refused");
  kv.why.empty() ? json.Null() : json.String(kv.why);
  json.EndObject();
}

}  // namespace quire
