#include "session/session_file.h"

#include <utility>

#include "session/fields.h"
#include "session/seal.h"

namespace quire {
namespace {

constexpr std::string_view kMagic = "QUIRESES";
constexpr uint32_t kVersion = 1;
constexpr uint32_t kVersionWithKv = 2;
constexpr size_t kVersionBytes = sizeof(uint32_t);
constexpr size_t kEndBytes = 2 * kSignatureBytes;

std::unexpected<Error> Bad(const std::string& what) {
  return Refuse(ErrorCode::kInvalidArgument, "this is no session that Quire exported: " + what);
}

}  // namespace

std::string WriteSessionFile(const SessionStore::Content& content, std::string_view signing_key,
                             bool room_for_kv) {
  const Session& session = content.session;
  FieldWriter fields;
  fields.Text(session.id).Number64(session.epoch).Number32(session.ttl_seconds);
  fields.Text(EncodeState(session.state)).Tokens(content.tokens);
  FieldWriter out;
  out.Bytes(kMagic).Number32(room_for_kv ? kVersionWithKv : kVersion);
  if (room_for_kv) {
    out.Number64(out.bytes().size() + sizeof(uint64_t) + fields.bytes().size() + kEndBytes);
  }
  out.Bytes(fields.bytes());
  out.Bytes(SignatureOf({}, out.bytes()));
  out.Bytes(SignatureOf(signing_key, out.bytes()));
  return out.Take();
}

Result<ReadSession> ReadSessionFile(std::string_view bytes, std::string_view signing_key) {
  if (!bytes.starts_with(kMagic)) return Bad("it does not begin with QUIRESES");
  FieldParser start(bytes.substr(kMagic.size()));
  const uint32_t version = start.Number32();
  if (!start.failed() && version != kVersion && version != kVersionWithKv) {
    return Bad("its version is " + std::to_string(version) + ", and this server reads 1 and 2");
  }
  const uint64_t said = version == kVersionWithKv ? start.Number64() : bytes.size();
  const size_t fields_at =
      kMagic.size() + kVersionBytes + (version == kVersionWithKv ? sizeof(uint64_t) : 0);
  if (start.failed() || said > bytes.size() || said < fields_at + kEndBytes) {
    return Bad("it is cut off");
  }
  bytes = bytes.substr(0, said);  // the rest is KV
  const std::string_view body = bytes.substr(0, bytes.size() - kEndBytes);
  const std::string_view checked = bytes.substr(0, bytes.size() - kSignatureBytes);
  FieldParser parser(body.substr(fields_at));
  if (!SameSignature(SignatureOf({}, body), checked.substr(body.size()))) {
    return Bad("its checksum is wrong, so it was cut off or changed on the way");
  }
  ReadSession read;
  read.kv_at = said;
  Session& session = read.content.session;
  session.id = parser.Text();
  session.epoch = parser.Number64();
  session.ttl_seconds = parser.Number32();
  const std::string state = parser.Text();
  read.content.tokens = parser.Tokens();
  if (!parser.complete()) return Bad("its parts do not add up");
  session.tokens = static_cast<uint32_t>(read.content.tokens.size());
  auto decoded = DecodeState(state);
  Status checks =
      decoded ? CheckState(*decoded, session.tokens) : Status(std::unexpected(decoded.error()));
  if (!checks) return Bad(checks.error().message);
  if (const Status id = CheckSessionId(session.id); !id) return Bad("it has no proper id");
  for (const TokenId token : read.content.tokens) {
    if (token < 0) return Bad("it has a token id below 0");
  }
  session.state = *std::move(decoded);
  read.is_signed = SameSignature(SignatureOf(signing_key, checked),
                                 bytes.substr(bytes.size() - kSignatureBytes));
  return read;
}

}  // namespace quire
