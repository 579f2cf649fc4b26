#include "server/sessions/kept_responses.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/engine.h"

namespace quire {
namespace {

// A text is the one message that says it.
Json ItemsOf(const Json& input) {
  if (!input.is_string()) return input;
  return Json::array({{{"type", "message"}, {"role", "user"}, {"content", input}}});
}

// What the stored state says; nothing can be wrong with it but a bug, for it was sealed.
Result<Json> StoredText(const Session& session) {
  Json text = Json::parse(session.state.text, nullptr, false);
  if (text.is_object() && text.contains("items") && text.contains("response")) return text;
  return Refuse(ErrorCode::kCorrupt, "what is kept of this response cannot be read");
}

// "input[7].name" -> "input[2].name" behind five items that are kept here: the client counts its
// own.
Error CountedWithout(size_t kept, Error error) {
  constexpr std::string_view kInput = "input[";
  const size_t end = error.param.find(']');
  if (kept == 0 || !error.param.starts_with(kInput) || end == std::string::npos) return error;
  const size_t number = std::strtoul(error.param.c_str() + kInput.size(), nullptr, 10);
  const std::string name = number < kept
                               ? "previous_response_id"
                               : "input[" + std::to_string(number - kept) + error.param.substr(end);
  const std::string quoted = "'" + error.param + "'";
  const size_t at = error.message.find(quoted);
  if (at != std::string::npos) error.message.replace(at, quoted.size(), "'" + name + "'");
  error.param = name;
  return error;
}

}  // namespace

Result<ResponseTurn> PrepareResponseTurn(const SessionCall& call) {
  QUIRE_TRY(Json body, ParseJson(call.body));
  QUIRE_TRY(FieldReader reader, FieldReader::Of(body));
  QUIRE_TRY(const auto store, reader.Bool("store"));
  QUIRE_TRY(const auto previous, reader.String("previous_response_id"));
  ResponseTurn turn;
  turn.keep = store.value_or(true);
  turn.items = body.contains("input") ? ItemsOf(body["input"]) : Json();
  std::vector<TokenId> log;
  size_t kept = 0;  // items of earlier turns
  if (previous) {
    QUIRE_TRY(auto content, call.store.Read(call.space, *previous, call.now_ms));
    QUIRE_TRY(Json text, StoredText(content.session));
    if (turn.items.is_array()) {
      kept = text["items"].size();
      for (Json& item : turn.items) text["items"].push_back(std::move(item));
      turn.items = std::move(text["items"]);
      body["input"] = turn.items;
    }
    turn.draft.from = *previous;
    turn.draft.from_version = content.session.version;
    if (content.session.state.vocabulary == call.model->vocabulary) log = std::move(content.tokens);
  }
  body.erase("previous_response_id");
  const RawRequest raw{body.dump(), call.request_id};
  auto generation = PrepareResponseOnto(*call.model, raw, log);
  if (!generation) return std::unexpected(CountedWithout(kept, std::move(generation).error()));
  turn.generation = *std::move(generation);
  turn.answer = static_cast<ResponsesAnswer*>(turn.generation.answer.get());
  if (turn.keep) turn.answer->SetKept(previous.value_or(""));
  turn.draft.id = turn.answer->id();
  turn.draft.ttl_seconds = kResponseTtlSeconds;
  turn.draft.state.model = call.model->names.front();
  turn.draft.state.vocabulary = call.model->vocabulary;
  const GenerationRequest& request = turn.generation.requests.front();
  turn.draft.state.seed = request.sampling.seed;
  const auto differ = std::ranges::mismatch(log, request.prompt).in1;
  turn.draft.keep_tokens = static_cast<uint32_t>(differ - log.begin());
  turn.draft.tokens.assign(request.prompt.begin() + turn.draft.keep_tokens, request.prompt.end());
  return turn;
}

Status KeepResponse(const SessionCall& call, ResponseTurn& turn) {
  if (!turn.keep) return {};
  SessionStore::Draft& draft = turn.draft;
  const std::vector<TokenId>& answered = turn.answer->tokens();
  draft.tokens.insert(draft.tokens.end(), answered.begin(), answered.end());
  draft.state.answer_tokens = static_cast<uint32_t>(answered.size());
  Json response = Json::parse(turn.answer->Text());
  for (const Json& item : response["output"]) turn.items.push_back(item);
  Json text = {{"items", std::move(turn.items)}, {"response", std::move(response)}};
  draft.state.text = text.dump(-1, ' ', false, Json::error_handler_t::replace);
  const auto kept = call.store.Create(call.space, draft, call.now_ms);
  return kept ? Status() : std::unexpected(kept.error());
}

Result<std::string> ShowResponse(const SessionCall& call) {
  QUIRE_TRY(const Session session, call.store.Get(call.space, call.id, call.now_ms));
  QUIRE_TRY(const Json text, StoredText(session));
  return text["response"].dump();
}

Result<std::string> DeleteResponse(const SessionCall& call) {
  const Status closed = call.store.Close(call.space, call.id, call.now_ms);
  if (!closed) return std::unexpected(closed.error());
  return Json{{"id", call.id}, {"object", "response"}, {"deleted", true}}.dump();
}

}  // namespace quire
