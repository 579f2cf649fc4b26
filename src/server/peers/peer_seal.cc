#include "server/peers/peer_seal.h"

#include <fmt/format.h>

#include "session/fields.h"
#include "session/seal.h"

namespace quire {
namespace {

constexpr std::string_view kMagic = "QUIREPQ1";
constexpr size_t kMostQuestionBytes = size_t{1} << 20;  // of strangers, too, before they are known
constexpr size_t kMarkBytes = 24;                       // the nonce that a question begins with

Seal QuestionSeal(const Peer& peer) { return {peer.secret, "question", 0}; }
Seal AnswerSeal(const Peer& peer) { return {peer.secret, "answer", 0}; }

std::string QuestionPlace(std::string_view name, std::string_view action) {
  return FieldWriter().Text("quire question 1").Text(name).Text(action).Take();
}

std::string AnswerPlace(std::string_view action, std::string_view mark) {
  return FieldWriter().Text("quire answer 1").Text(action).Text(mark).Take();
}

}  // namespace

SealedQuestion SealQuestion(const Peer& to, std::string_view own_name, std::string_view action,
                            std::string_view body) {
  const std::string sealed = QuestionSeal(to).Close(body, QuestionPlace(own_name, action));
  FieldWriter out;
  out.Bytes(kMagic).Text(own_name).Bytes(sealed);
  return {out.Take(), sealed.substr(0, kMarkBytes)};
}

Result<OpenQuestion> ReadQuestion(const PeerDirectory& peers, std::string_view action,
                                  std::string_view bytes) {
  if (bytes.size() > kMostQuestionBytes) {
    return Refuse(ErrorCode::kTooLarge, "no question of another server is that long");
  }
  FieldParser parser(bytes);
  const bool begins = parser.Bytes(kMagic.size()) == kMagic;
  const std::string name = parser.Text();
  if (!begins || parser.failed()) {
    return Refuse(ErrorCode::kInvalidArgument, "this is no question of another server");
  }
  const size_t head = kMagic.size() + sizeof(uint32_t) + name.size();
  const std::string_view sealed = bytes.substr(head);
  OpenQuestion question;
  uint32_t fitting = 0;
  for (const Peer& peer : peers.peers()) {
    if (!name.empty() && name != peer.name) continue;
    auto body = QuestionSeal(peer).Open(sealed, QuestionPlace(name, action));
    if (!body) continue;
    ++fitting;
    question = {&peer, std::string(sealed.substr(0, kMarkBytes)), *std::move(body)};
  }
  if (fitting == 1) return question;
  if (fitting > 1) {
    return Refuse(ErrorCode::kUnauthorized,
                  "several peers share this secret, so a server must say which one it is: give it "
                  "its name with --peer-name");
  }
  if (!name.empty() && peers.Find(name) == nullptr) {
    return Refuse(
        ErrorCode::kUnauthorized,
        fmt::format("no peer '{}' is configured here; add it with --peer", name.substr(0, 64)));
  }
  return Refuse(ErrorCode::kUnauthorized,
                "what this peer says does not open: both servers need the same secret "
                "(--peer-secret-file), and each must be a --peer of the other");
}

std::string SealAnswer(const Peer& to, std::string_view action, std::string_view mark,
                       std::string_view body) {
  return AnswerSeal(to).Close(body, AnswerPlace(action, mark));
}

std::optional<std::string> ReadAnswer(const Peer& from, std::string_view action,
                                      std::string_view mark, std::string_view bytes) {
  return AnswerSeal(from).Open(bytes, AnswerPlace(action, mark));
}

}  // namespace quire
