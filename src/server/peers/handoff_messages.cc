#include "server/peers/handoff_messages.h"

#include "session/fields.h"

namespace quire {
namespace {

constexpr size_t kNameBytes = sizeof(BlockName);
constexpr size_t kMostNames = 4096;

std::unexpected<Error> Unreadable() {
  return Refuse(ErrorCode::kPeer, "a peer's message cannot be read; is it another version?");
}

template <typename Message>
Result<Message> Whole(const FieldParser& parser, Message message) {
  if (!parser.complete()) return Unreadable();
  return message;
}

}  // namespace

std::string Encode(const OfferMessage& message) {
  return FieldWriter().Text(message.handoff).Text(message.tenant).Text(message.id).Take();
}

Result<OfferMessage> DecodeOffer(std::string_view bytes) {
  FieldParser parser(bytes);
  OfferMessage message;
  message.handoff = parser.Text();
  message.tenant = parser.Text();
  message.id = parser.Text();
  return Whole(parser, std::move(message));
}

std::string Encode(const PulledMessage& message) {
  FieldWriter out;
  out.Text(message.origin).Text(message.kv.model).Text(message.kv.format);
  return out.Number32(message.kv.numerics).Text(message.kv.scope).Text(message.file).Take();
}

Result<PulledMessage> DecodePulled(std::string_view bytes) {
  FieldParser parser(bytes);
  PulledMessage message;
  message.origin = parser.Text();
  message.kv.model = parser.Text();
  message.kv.format = parser.Text();
  message.kv.numerics = parser.Number32();
  message.kv.scope = parser.Text();
  message.file = parser.Text();
  return Whole(parser, std::move(message));
}

std::string Encode(const BlocksMessage& message) {
  FieldWriter out;
  out.Text(message.handoff).Number32(message.aes ? 1 : 0);
  out.Number32(static_cast<uint32_t>(message.names.size()));
  for (const std::string& name : message.names) out.Bytes(name);
  return out.Take();
}

Result<BlocksMessage> DecodeBlocks(std::string_view bytes) {
  FieldParser parser(bytes);
  BlocksMessage message;
  message.handoff = parser.Text();
  message.aes = parser.Number32() == 1;
  const uint32_t count = parser.Number32();
  if (count > kMostNames) return Unreadable();
  for (uint32_t i = 0; i < count && !parser.failed(); ++i) {
    message.names.emplace_back(parser.Bytes(kNameBytes));
  }
  return Whole(parser, std::move(message));
}

std::string Encode(const TakenMessage& message) {
  FieldWriter out;
  out.Number64(message.epoch).Number32(message.tokens);
  const KvReport& kv = message.kv;
  out.Number32(kv.blocks).Number32(kv.held).Number32(kv.asked).Number32(kv.taken);
  return out.Number64(kv.bytes).Text(kv.why).Take();
}

Result<TakenMessage> DecodeTaken(std::string_view bytes) {
  FieldParser parser(bytes);
  TakenMessage message;
  message.epoch = parser.Number64();
  message.tokens = parser.Number32();
  message.kv.blocks = parser.Number32();
  message.kv.held = parser.Number32();
  message.kv.asked = parser.Number32();
  message.kv.taken = parser.Number32();
  message.kv.bytes = parser.Number64();
  message.kv.why = parser.Text();
  return Whole(parser, std::move(message));
}

std::string Encode(const ResolveMessage& message) {
  return FieldWriter().Text(message.handoff).Text(message.origin).Take();
}

Result<ResolveMessage> DecodeResolve(std::string_view bytes) {
  FieldParser parser(bytes);
  ResolveMessage message;
  message.handoff = parser.Text();
  message.origin = parser.Text();
  return Whole(parser, std::move(message));
}

std::string Encode(const ArrivedMessage& message) {
  FieldWriter out;
  out.Text(message.handoff).Text(message.tenant).Text(message.id);
  return out.Number64(message.epoch).Take();
}

Result<ArrivedMessage> DecodeArrived(std::string_view bytes) {
  FieldParser parser(bytes);
  ArrivedMessage message;
  message.handoff = parser.Text();
  message.tenant = parser.Text();
  message.id = parser.Text();
  message.epoch = parser.Number64();
  return Whole(parser, std::move(message));
}

}  // namespace quire
