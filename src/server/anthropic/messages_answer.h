// server/anthropic/messages_answer.h -- answers in the shape of Anthropic's messages.
//
//   message_start (content_block_start content_block_delta* content_block_stop)*
//   message_delta message_stop
//
// Blocks are text, thinking or tool_use; each begins when the model says something of its kind. A
// call that turns out broken is text: a whole answer shows only that, a stream ends the block that
// it had begun and goes on with the text.
//
// Invariant  input_tokens + cache_read_input_tokens + cache_creation_input_tokens == the prompt.
//            A stream's message_start does not know yet what the cache holds: it counts the whole
//            prompt as input_tokens, and message_delta says how it was.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/answer/single_answer.h"
#include "server/openai/json_writer.h"

namespace quire {

class MessagesAnswer final : public SingleAnswer {
 public:
  using SingleAnswer::SingleAnswer;

  void Begin(std::string& out) override;
  void End(std::string& out) override;
  void Break(const ApiError& error, std::string& out) override;
  std::string_view still_here() const override;

 private:
  enum class Kind : uint8_t { kText, kThinking, kToolUse };
  struct Block {
    Kind kind = Kind::kText;
    std::string text;  // text, thoughts, or the JSON of the input; unused in a stream
    std::string id;
    std::string name;
  };

  void OnReply(const ReplyEvent& event, std::string& out) override;
  // Makes the open block one of this kind; a call always begins a new one.
  void Open(Kind kind, std::string_view name, std::string& out);
  void Close(std::string& out);
  void Add(std::string_view text, std::string& out);
  void WriteHead(JsonWriter& json) const;
  void WriteUsage(JsonWriter& json) const;
  void WriteStop(JsonWriter& json) const;
  static void WriteBlock(const Block& block, JsonWriter& json);

  std::vector<Block> blocks_;  // of a stream only their number and the last one count
  bool open_ = false;          // the last block may grow
};

}  // namespace quire
