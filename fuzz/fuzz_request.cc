// fuzz/fuzz_request.cc -- any bytes as a request body: refused with a reason, or within all bounds.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "server/anthropic/messages_request.h"
#include "server/openai/chat_request.h"
#include "server/openai/completion_request.h"
#include "server/openai/control_text_guard.h"
#include "server/openai/error_body.h"
#include "server/responses/responses_request.h"

namespace quire {
namespace {

void CheckFields(const GenerationFields& fields) {
  const GenerationRequest& request = fields.request;
  QUIRE_CHECK(request.choices >= 1 && request.choices <= kMaxChoices);
  QUIRE_CHECK(request.stop.size() <= kMaxStops);
  QUIRE_CHECK(request.top_logprobs <= kMaxTopLogprobs);
  const SamplingParams& sampling = request.sampling;
  QUIRE_CHECK(sampling.temperature >= 0 && sampling.temperature <= 2);
  QUIRE_CHECK(sampling.top_p > 0 && sampling.top_p <= 1);
  QUIRE_CHECK(sampling.min_p >= 0 && sampling.min_p < 1);
  QUIRE_CHECK(sampling.repetition_penalty > 0);
}

void CheckRefusal(const Error& error) {
  QUIRE_CHECK(!error.message.empty());
  QUIRE_CHECK(ToApiError(error).status == 400);
  QUIRE_CHECK(ParseJson(ErrorBody(ToApiError(error))).has_value(), "an error is always JSON");
}

// Marks break every control text, and taking them out again gives the text back.
void CheckGuard(Json variables) {
  static const ControlTextGuard guard({"<|im_start|>", "<|im_end|>", "<s>", "</s>", "[INST]"});
  const std::string mark = ControlTextGuard::DrawMark();
  const std::string before = variables.dump();
  guard.MarkAll(variables, mark);
  const std::string marked = variables.dump();
  QUIRE_CHECK(marked.find("<|im_end|>") == std::string::npos);
  QUIRE_CHECK(ControlTextGuard::WithoutMarks(marked, mark) == before);
  std::string joined;
  for (const auto& piece : guard.Split(marked, mark)) joined += piece.text;
  QUIRE_CHECK(joined == before);
}

void TryChat(std::string_view body) {
  const auto request = ParseChatRequest(body);
  if (!request) return CheckRefusal(request.error());
  CheckFields(request->fields);
  QUIRE_CHECK(!request->variables["messages"].empty());
  for (const Json& message : request->variables["messages"]) {
    QUIRE_CHECK(message["role"].is_string() && message["content"].is_string());
  }
  CheckGuard(request->variables);
}

void TryCompletion(std::string_view body) {
  const auto request = ParseCompletionRequest(body);
  if (!request) return CheckRefusal(request.error());
  CheckFields(request->fields);
  QUIRE_CHECK(!request->prompts.empty() && request->prompts.size() <= kMaxPrompts);
}

void TryMessages(std::string_view body) {
  const auto request = ParseMessagesRequest(body, MessagesPurpose::kAnswer);
  if (!request) return CheckRefusal(request.error());
  CheckFields(request->chat.fields);
  const Json& messages = request->chat.variables["messages"];
  QUIRE_CHECK(messages.size() == request->sources.size());
  QUIRE_CHECK(request->chat.fields.request.choices == 1 && request->chat.fields.max_tokens);
  QUIRE_CHECK(ParseMessagesRequest(body, MessagesPurpose::kCount).has_value());
}

void TryResponses(std::string_view body) {
  const auto request = ParseResponsesRequest(body);
  if (!request) return CheckRefusal(request.error());
  CheckFields(request->chat.fields);
  QUIRE_CHECK(request->chat.variables["messages"].size() == request->sources.size());
  QUIRE_CHECK(request->chat.fields.request.choices == 1);
}

}  // namespace
}  // namespace quire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  quire::TryChat(body);
  quire::TryCompletion(body);
  quire::TryMessages(body);
  quire::TryResponses(body);
  return 0;
}
