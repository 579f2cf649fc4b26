// server/anthropic/conversation.h -- Anthropic's turns as the messages that chat templates know.
//
//   system            -> one message of the role system, first
//   user turn         -> one message of the role tool per result, then one of the role user
//   assistant turn    -> one message: content, reasoning_content, tool_calls
//   last turn is the  -> not a message: the answer begins with its words
//   assistant's
//
// Turns of the same role that follow each other are one turn. A turn with calls is followed by one
// with exactly their results.
//
// Errors  kInvalidArgument with the path of the message or block at fault.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/anthropic/content_blocks.h"
#include "server/openai/json_input.h"

namespace quire {

class Conversation {
 public:
  Status AddSystem(const Json& system, const std::string& path);
  Status AddMessages(const Json& messages);
  // To be called last, once.
  Status Finish();

  Json TakeMessages() { return std::move(messages_); }
  // Of each message, what the client called it: "messages[3]", "system".
  const std::vector<std::string>& sources() const { return sources_; }
  const std::string& answer_begin() const { return answer_begin_; }
  const CacheWish& cache_wish() const { return wish_; }

 private:
  struct Turn {
    std::string role;
    std::string path;
    bool has_text = false;
    std::string text;
    std::string reasoning;
    Json calls = Json::array();
  };
  Status AddMessage(const Json& message, const std::string& path);
  Status AddBlock(ContentBlock block);
  Status AddResult(ContentBlock block);
  Status BeginTurn(const std::string& role, const std::string& path);
  Status EndTurn();
  Status CheckAnswered() const;
  void Push(Json message, const std::string& source);

  Json messages_ = Json::array();
  std::vector<std::string> sources_;
  std::string answer_begin_;
  Turn turn_;
  std::map<std::string, std::string> unanswered_;  // id of a call -> name of its function
  std::string calls_path_;                         // of the turn that made them
  CacheWish wish_;
};

}  // namespace quire
