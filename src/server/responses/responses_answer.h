// server/responses/responses_answer.h -- answers in the shape of OpenAI's Responses.
//
//   response.created response.in_progress
//   (output_item.added (content_part.added) delta* (done) (content_part.done) output_item.done)*
//   response.completed | response.incomplete | response.failed
//
// Items are reasoning, message or function_call; each begins when the model says something of its
// kind. A call that turns out broken is text: a whole answer shows only that, as does the response
// that a stream ends with; the stream ends the item that it had begun as incomplete, and goes on
// with the text.
//
// Owner  holds all text until End: the last events of a stream repeat it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "server/answer/single_answer.h"
#include "server/openai/json_input.h"
#include "server/openai/json_writer.h"

namespace quire {

class ResponsesAnswer final : public SingleAnswer {
 public:
  // `echo`: the fields of the request that answers repeat.
  ResponsesAnswer(SingleFacts facts, Json echo);

  // It is kept, and goes on from `previous` (empty: from none). Before Begin.
  void SetKept(const std::string& previous);
  // The whole response, once done; what GET says of it later.
  std::string Text() const;

  void Begin(std::string& out) override;
  void End(std::string& out) override;
  void Break(const ApiError& error, std::string& out) override;

 private:
  enum class Kind : uint8_t { kMessage, kReasoning, kCall };
  struct Item {
    Kind kind = Kind::kMessage;
    std::string id;
    std::string call_id;
    std::string name;
    std::string text;  // what it says, or the JSON of the arguments
    bool whole = false;
    bool broken = false;  // a call that became text
  };

  void OnReply(const ReplyEvent& event, std::string& out) override;
  // Makes the open item one of this kind; a call always begins a new one.
  void Open(Kind kind, std::string_view name, std::string& out);
  void Add(std::string_view text, std::string& out);
  void Close(bool whole, std::string& out);
  void Send(std::string_view type, JsonWriter& json, std::string& out);
  JsonWriter EventOf(std::string_view type);
  JsonWriter ItemEvent(std::string_view type);  // about the open item
  void SendResponse(std::string_view type, std::string_view status, std::string& out);
  void SendPart(std::string_view type, std::string& out);
  void SendItem(std::string_view type, std::string_view status, std::string& out);
  std::string_view status() const;  // once done
  void WriteResponse(std::string_view status, JsonWriter& json) const;
  void WriteUsage(JsonWriter& json) const;
  static void WritePart(const Item& item, std::string_view text, JsonWriter& json);
  static void WriteItem(const Item& item, std::string_view status, JsonWriter& json);

  Json echo_;
  std::vector<Item> items_;
  bool open_ = false;
  uint64_t sequence_ = 0;  // of events
};

}  // namespace quire
