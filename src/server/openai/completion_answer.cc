#include "server/openai/completion_answer.h"

#include <utility>

#include "text/tokenizer.h"

namespace quire {
namespace {

// Log-probabilities of a prompt's tokens. Their texts follow one another in the echo, so each
// offset is the characters before it, as far as the bytes before make characters.
void AddPrompt(const Tokenizer& tokenizer, const PromptEvent& event, CompletionLogprobs& out) {
  CharacterCounter before;
  bool first = true;
  for (const SampledToken& sampled : event.logprobs) {
    using Known = CompletionLogprobs::Known;
    out.Add(tokenizer, sampled, before.characters(), first ? Known::kNo : Known::kYes);
    first = false;
    // Control tokens that the server added are not in the text of the echo.
    if (!tokenizer.IsControl(sampled.token)) before.Add(tokenizer.Piece(sampled.token));
  }
}

}  // namespace

CompletionAnswer::CompletionAnswer(AnswerFacts answer_facts, std::vector<std::string> echoes)
    : OpenAiAnswer(std::move(answer_facts)),
      echoes_(std::move(echoes)),
      logprobs_(choices().size()) {}

std::string_view CompletionAnswer::object(bool) const { return "text_completion"; }

void CompletionAnswer::Begin(std::string& out) {
  if (echoes_.empty() || facts().logprobs) return;  // else with the PromptEvent
  for (uint32_t prompt = 0; prompt < facts().prompts; ++prompt) Echo(prompt, nullptr, out);
}

void CompletionAnswer::OnPrompt(uint32_t prompt, const PromptEvent& event, std::string& out) {
  if (!echoes_.empty() && facts().logprobs) Echo(prompt, &event, out);
}

void CompletionAnswer::Echo(uint32_t prompt, const PromptEvent* event, std::string& out) {
  for (uint32_t i = 0; i < facts().choices; ++i) {
    Choice& choice = choices()[size_t{prompt} * facts().choices + i];
    choice.characters = CountCharacters(echoes_[prompt]);
    if (!facts().stream) {
      choice.text = echoes_[prompt];
      if (event != nullptr) AddPrompt(*facts().tokenizer, *event, logprobs_[choice.index]);
      continue;
    }
    JsonWriter json;
    json.BeginObject().Field("index", choice.index).Field("text", echoes_[prompt]);
    json.Key("logprobs");
    if (event != nullptr) {
      CompletionLogprobs all;
      AddPrompt(*facts().tokenizer, *event, all);
      all.Write(json);
    } else {
      json.Null();
    }
    json.Key("finish_reason").Null().EndObject();
    SendChoice(json.text(), out);
  }
}

void CompletionAnswer::Keep(const Choice& choice, const SampledToken& sampled) {
  logprobs_[choice.index].Add(*facts().tokenizer, sampled, choice.characters);
}

void CompletionAnswer::WritePiece(const Choice& choice, const Piece& piece, JsonWriter& json) {
  json.BeginObject().Field("index", choice.index).Field("text", piece.text).Key("logprobs");
  if (piece.sampled == nullptr) {
    json.Null();
  } else {
    CompletionLogprobs one;
    one.Add(*facts().tokenizer, *piece.sampled, choice.characters);
    one.Write(json);
  }
  json.Key("finish_reason");
  piece.finish ? json.String(FinishReasonName(*piece.finish)) : json.Null();
  json.EndObject();
}

void CompletionAnswer::WriteWhole(const Choice& choice, JsonWriter& json) {
  json.BeginObject().Field("index", choice.index).Field("text", choice.text).Key("logprobs");
  if (facts().logprobs) {
    logprobs_[choice.index].Write(json);
  } else {
    json.Null();
  }
  json.Field("finish_reason", FinishReasonName(choice.reason)).EndObject();
}

}  // namespace quire
