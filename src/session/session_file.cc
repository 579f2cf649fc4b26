#include "session/session_file.h"

#include <utility>

#include "session/fields.h"
#include "session/seal.h"

namespace quire {
namespace {

constexpr std::string_view kMagic = "QUIRESES";
constexpr uint32_t kVersion = 1;
constexpr size_t kEndBytes = 2 * kSignatureBytes;

std::unexpected<Error> Bad(const std::string& what) {
  return Refuse(ErrorCode::kInvalidArgument, "this is no session that Quire exported: " + what);
}

}  // namespace

std::string WriteSessionFile(const SessionStore::Content& content, std::string_view signing_key) {
  const Session& session = content.session;
  FieldWriter out;
  out.Bytes(kMagic).Number32(kVersion);
  out.Text(session.id).Number64(session.epoch).Number32(session.ttl_seconds);
  out.Text(EncodeState(session.state)).Tokens(content.tokens);
  out.Bytes(SignatureOf({}, out.bytes()));
  out.Bytes(SignatureOf(signing_key, out.bytes()));
  return out.Take();
}

Result<ReadSession> ReadSessionFile(std::string_view bytes, std::string_view signing_key) {
  if (!bytes.starts_with(kMagic)) return Bad("it does not begin with QUIRESES");
  if (bytes.size() < kMagic.size() + kEndBytes) return Bad("it is cut off");
  const std::string_view body = bytes.substr(0, bytes.size() - kEndBytes);
  const std::string_view checked = bytes.substr(0, bytes.size() - kSignatureBytes);
  FieldParser parser(body.substr(kMagic.size()));
  const uint32_t version = parser.Number32();
  if (version != kVersion) {
    return Bad("its version is " + std::to_string(version) + ", and this server reads 1");
  }
  if (!SameSignature(SignatureOf({}, body), checked.substr(body.size()))) {
    return Bad("its checksum is wrong, so it was cut off or changed on the way");
  }
  ReadSession read;
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
