// What claims to come from another server: its seal, and what is behind it.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "server/peers/handoff_messages.h"
#include "server/peers/peer_link.h"
#include "server/peers/peer_seal.h"

namespace {

// What can be read is written again as it was.
template <typename Decode>
void RoundTrip(std::string_view bytes, Decode decode) {
  const auto message = decode(bytes);
  if (!message) return;
  const auto again = decode(quire::Encode(*message));
  QUIRE_CHECK(again && quire::Encode(*again) == quire::Encode(*message));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  RoundTrip(bytes, quire::DecodeOffer);
  RoundTrip(bytes, quire::DecodePulled);
  RoundTrip(bytes, quire::DecodeBlocks);
  RoundTrip(bytes, quire::DecodeTaken);
  RoundTrip(bytes, quire::DecodeResolve);
  RoundTrip(bytes, quire::DecodeArrived);
  (void)quire::DecodeAnswer(bytes);
  const quire::Peer peer{"a", "http://a", std::string(32, 's')};
  const auto here = quire::PeerDirectory::Make({peer}, "b");
  QUIRE_CHECK(here.has_value());
  (void)quire::ReadQuestion(*here, "pull", bytes);
  (void)quire::ReadAnswer(peer, "pull", std::string(24, 'm'), bytes);
  const auto question = quire::SealQuestion(peer, "a", "pull", bytes);
  const auto heard = quire::ReadQuestion(*here, "pull", question.bytes);
  QUIRE_CHECK(heard && heard->body == bytes && heard->mark == question.mark);
  return 0;
}
