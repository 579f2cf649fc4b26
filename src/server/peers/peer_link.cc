#include "server/peers/peer_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/size.h"
#include "server/outward/http_poster.h"
#include "server/peers/peer_seal.h"
#include "session/fields.h"

namespace quire {
namespace {

constexpr size_t kMostAnswerBytes = 256 * kMiB;

// What an HTTP error says; nobody has sealed it, so it is only told, not believed.
std::string MessageOf(const std::string& answer) {
  const auto body = nlohmann::json::parse(answer, nullptr, false);
  if (!body.is_object() || !body.contains("error") || !body["error"].is_object()) return "";
  const auto message = body["error"].find("message");
  return message != body["error"].end() && message->is_string() ? message->get<std::string>() : "";
}

class HttpLink final : public PeerLink {
 public:
  explicit HttpLink(std::string own_name) : own_name_(std::move(own_name)) {}

  Result<PeerAnswer> Ask(const Peer& peer, std::string_view action, std::string_view body,
                         std::chrono::milliseconds patience) override {
    const SealedQuestion question = SealQuestion(peer, own_name_, action, body);
    QUIRE_TRY(const std::string bytes, Post(peer, action, question.bytes, patience));
    const auto answer = ReadAnswer(peer, action, question.mark, bytes);
    if (answer) return DecodeAnswer(*answer);
    return Refuse(ErrorCode::kPeer,
                  fmt::format("what '{}' at {} says does not open: it is another server, or has "
                              "another secret",
                              peer.name, peer.url));
  }

  Result<std::string> Fetch(const Peer& peer, std::string_view action, std::string_view body,
                            std::chrono::milliseconds patience) override {
    return Post(peer, action, SealQuestion(peer, own_name_, action, body).bytes, patience);
  }

  void Stop() override { poster_.Stop(); }

 private:
  Result<std::string> Post(const Peer& peer, std::string_view action, const std::string& body,
                           std::chrono::milliseconds patience) {
    auto answer = poster_.Post({.url = peer.url + "/v1/peer/" + std::string(action),
                                .content_type = "application/octet-stream",
                                .body = body,
                                .patience = patience,
                                .most_answer_bytes = kMostAnswerBytes});
    if (!answer) {
      return Refuse(ErrorCode::kPeer, fmt::format("no answer from '{}' at {}: {}", peer.name,
                                                  peer.url, answer.error().message));
    }
    if (answer->status == 200) return std::move(answer->body);
    return Refuse(ErrorCode::kPeer, fmt::format("'{}' at {} answered {}: {}", peer.name, peer.url,
                                                answer->status, MessageOf(answer->body)));
  }

  const std::string own_name_;
  HttpPoster poster_;
};

}  // namespace

std::string EncodeAnswer(const PeerAnswer& answer) {
  FieldWriter out;
  out.Number32(answer.refusal ? 1 : 0);
  if (answer.refusal) {
    out.Number32(static_cast<uint32_t>(answer.refusal->code));
    return out.Text(answer.refusal->message).Text(answer.refusal->param).Take();
  }
  return out.Bytes(answer.body).Take();
}

Result<PeerAnswer> DecodeAnswer(std::string_view bytes) {
  FieldParser parser(bytes);
  const uint32_t refused = parser.Number32();
  PeerAnswer answer;
  if (refused == 0 && !parser.failed()) {
    answer.body = bytes.substr(sizeof(uint32_t));
    return answer;
  }
  Error error;
  constexpr auto kLastCode = static_cast<uint32_t>(ErrorCode::kInternal);
  error.code = static_cast<ErrorCode>(std::min(parser.Number32(), kLastCode));
  error.message = parser.Text();
  error.param = parser.Text();
  if (!parser.complete()) {
    return Refuse(ErrorCode::kPeer, "a peer's answer cannot be read; is it another version?");
  }
  answer.refusal = std::move(error);
  return answer;
}

std::unique_ptr<PeerLink> MakeHttpLink(std::string own_name) {
  return std::make_unique<HttpLink>(std::move(own_name));
}

}  // namespace quire
