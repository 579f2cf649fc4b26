#include "server/openai/answer.h"

#include <utility>

#include "base/check.h"
#include "server/openai/logprobs_json.h"

namespace quire {

std::string_view FinishReasonName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kFailed:
      return "failed";
  }
  return "failed";
}

void AppendSse(std::string_view json, std::string& out) {
  out.append("data: ").append(json).append("\n\n");
}

void AppendSseError(const ApiError& error, std::string& out) { AppendSse(ErrorBody(error), out); }

OpenAiAnswer::OpenAiAnswer(AnswerFacts facts) : facts_(std::move(facts)) {
  choices_.resize(size_t{facts_.choices} * facts_.prompts);
  for (size_t i = 0; i < choices_.size(); ++i) choices_[i].index = static_cast<uint32_t>(i);
  receipts_.resize(facts_.prompts);
}

void OpenAiAnswer::OnPrompt(uint32_t, const PromptEvent&, std::string&) {}

void OpenAiAnswer::Take(uint32_t prompt, Event event, std::string& out) {
  QUIRE_CHECK(prompt < facts_.prompts);
  const auto choice_of = [&](uint32_t choice) -> Choice& {
    QUIRE_CHECK(choice < facts_.choices);
    return choices_[size_t{prompt} * facts_.choices + choice];
  };
  if (auto* first = std::get_if<PromptEvent>(&event)) OnPrompt(prompt, *first, out);
  if (auto* token = std::get_if<TokenEvent>(&event)) OnToken(choice_of(token->choice), *token, out);
  if (auto* end = std::get_if<ChoiceEndEvent>(&event)) {
    Choice& choice = choice_of(end->choice);
    OnChoiceEnd(choice, std::move(*end), out);
  }
  if (auto* done = std::get_if<DoneEvent>(&event)) {
    receipts_[prompt] = done->receipt;
    if (done->error && !error_) error_ = std::move(done->error);
    ++prompts_done_;
  }
}

void OpenAiAnswer::Say(Choice& choice, std::string_view text, const SampledToken* sampled,
                       std::string& out) {
  if (!facts_.stream) {
    if (sampled != nullptr) Keep(choice, *sampled);
    choice.text += text;
    return;
  }
  if (text.empty() && sampled == nullptr) return;
  JsonWriter json;
  WritePiece(choice, {text, sampled, std::nullopt}, json);
  SendChoice(json.text(), out);
}

void OpenAiAnswer::FinishSaying(Choice&, std::string&) {}

std::string_view OpenAiAnswer::finish_name(const Choice& choice) const {
  return FinishReasonName(choice.reason);
}

void OpenAiAnswer::OnToken(Choice& choice, const TokenEvent& event, std::string& out) {
  Say(choice, event.text, facts_.logprobs && event.logprobs ? &*event.logprobs : nullptr, out);
  choice.characters += CountCharacters(event.text);
}

void OpenAiAnswer::OnChoiceEnd(Choice& choice, ChoiceEndEvent event, std::string& out) {
  choice.reason = event.reason;
  choice.logit_hash = std::move(event.logit_hash);
  const bool cut =
      event.reason == FinishReason::kCancelled || event.reason == FinishReason::kFailed;
  if (facts_.stream && cut) return;
  Say(choice, event.text, nullptr, out);
  FinishSaying(choice, out);
  if (!facts_.stream) return;
  FlushHeld(out);
  JsonWriter json;
  WritePiece(choice, {{}, nullptr, event.reason}, json);
  held_ = json.Take();
}

void OpenAiAnswer::WriteHead(bool chunk, JsonWriter& json) const {
  json.Field("id", facts_.id).Field("object", object(chunk)).Field("created", facts_.created);
  json.Field("model", facts_.model).Field("system_fingerprint", "quire-" + facts_.notes.numerics);
}

void OpenAiAnswer::SendChoice(std::string_view choice_json, std::string& out) {
  FlushHeld(out);
  JsonWriter json;
  json.BeginObject();
  WriteHead(true, json);
  json.Key("choices").BeginArray().Raw(choice_json).EndArray();
  if (facts_.include_usage) json.Key("usage").Null();
  json.EndObject();
  AppendSse(json.text(), out);
}

void OpenAiAnswer::FlushHeld(std::string& out) {
  if (held_.empty()) return;
  const std::string choice = std::exchange(held_, {});
  SendChoice(choice, out);
}

void OpenAiAnswer::WriteEndFields(JsonWriter& json, bool usage) {
  const Receipt receipt = Combine(receipts_);
  facts_.notes.logit_hashes.clear();
  for (Choice& choice : choices_) facts_.notes.logit_hashes.push_back(choice.logit_hash);
  if (usage) WriteUsage(receipt, json.Key("usage"));
  WriteQuire(receipt, facts_.notes, json.Key("quire"));
}

void OpenAiAnswer::End(std::string& out) {
  JsonWriter json;
  if (facts_.stream && facts_.include_usage) FlushHeld(out);
  json.BeginObject();
  WriteHead(facts_.stream, json);
  json.Key("choices").BeginArray();
  if (facts_.stream && !held_.empty()) json.Raw(std::exchange(held_, {}));
  if (!facts_.stream) {
    for (const Choice& choice : choices_) WriteWhole(choice, json);
  }
  json.EndArray();
  WriteEndFields(json, facts_.include_usage || !facts_.stream);
  json.EndObject();
  if (!facts_.stream) {
    out += json.text();
    return;
  }
  AppendSse(json.text(), out);
  AppendSse("[DONE]", out);
}

std::vector<std::string_view> OpenAiAnswer::finish_reasons() const {
  std::vector<std::string_view> names;
  for (const Choice& choice : choices_) names.push_back(finish_name(choice));
  return names;
}

}  // namespace quire
