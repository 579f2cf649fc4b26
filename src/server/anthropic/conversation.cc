#include "server/anthropic/conversation.h"

#include <utility>

namespace quire {

void Conversation::Push(Json message, const std::string& source) {
  messages_.push_back(std::move(message));
  sources_.push_back(source);
}

Status Conversation::AddSystem(const Json& system, const std::string& path) {
  QUIRE_TRY(std::string text, ReadTextBlocks(system, path, wish_));
  if (!text.empty()) Push({{"role", "system"}, {"content", std::move(text)}}, path);
  return {};
}

Status Conversation::AddMessages(const Json& messages) {
  if (!messages.is_array()) return BadField("messages", "must be a list");
  if (messages.empty()) return BadField("messages", "must not be empty");
  for (size_t i = 0; i < messages.size(); ++i) {
    const Status added = AddMessage(messages[i], "messages[" + std::to_string(i) + "]");
    if (!added) return added;
  }
  return {};
}

Status Conversation::AddMessage(const Json& message, const std::string& path) {
  if (!message.is_object()) return BadField(path, "must be an object with 'role' and 'content'");
  const Json role = message.value("role", Json());
  if (role != "user" && role != "assistant" && role != "system") {
    return BadField(path + ".role", R"(must be "user", "assistant" or "system")");
  }
  const auto content = message.find("content");
  if (content == message.end()) return BadField(path + ".content", "is missing");
  const Status begun = BeginTurn(role.get<std::string>(), path);
  if (!begun) return begun;
  if (role == "system") {
    QUIRE_TRY(turn_.text, ReadTextBlocks(*content, path + ".content", wish_));
    return {};
  }
  QUIRE_TRY(auto blocks, ReadContentBlocks(*content, path + ".content", wish_));
  if (blocks.empty() && role == "user") {
    return BadField(path + ".content", "must not be empty");
  }
  for (ContentBlock& block : blocks) {
    if (const Status added = AddBlock(std::move(block)); !added) return added;
  }
  return {};
}

Status Conversation::BeginTurn(const std::string& role, const std::string& path) {
  if (turn_.role == role && role != "system") return {};
  const bool first = turn_.role.empty();
  if (const Status ended = EndTurn(); !ended) return ended;
  if (first && role == "assistant") {
    return BadField(path + ".role", R"(must be "user": the first message is the user's)");
  }
  turn_ = Turn();
  turn_.role = role;
  turn_.path = path;
  return {};
}

Status Conversation::AddBlock(ContentBlock block) {
  const bool user = turn_.role == "user";
  switch (block.kind) {
    case ContentBlock::Kind::kText:
      if (user && block.text.empty()) return BadField(block.path, "must not be an empty text");
      // What a user sends apart is apart; what an assistant said was one text.
      if (user && turn_.has_text) turn_.text += '\n';
      turn_.has_text = true;
      turn_.text += block.text;
      return {};
    case ContentBlock::Kind::kThinking:
      if (user) return BadField(block.path, "is a thinking block, which only an assistant has");
      turn_.reasoning += block.text;
      return {};
    case ContentBlock::Kind::kToolUse:
      if (user) return BadField(block.path, "is a tool_use block, which only an assistant has");
      if (!unanswered_.emplace(block.id, block.name).second) {
        return BadField(block.path + ".id", "is the id of another call of this turn");
      }
      calls_path_ = turn_.path;
      turn_.calls.push_back(
          {{"id", block.id},
           {"type", "function"},
           {"function", {{"name", block.name}, {"arguments", std::move(block.input)}}}});
      return {};
    case ContentBlock::Kind::kToolResult:
      return AddResult(std::move(block));
  }
  return {};
}

Status Conversation::AddResult(ContentBlock block) {
  if (turn_.role != "user") {
    return BadField(block.path, "is a tool_result block, which only a user has");
  }
  if (turn_.has_text) return BadField(block.path, "is a tool_result block; these come before text");
  const auto call = unanswered_.find(block.id);
  if (call == unanswered_.end()) {
    return BadField(block.path + ".tool_use_id",
                    "names no unanswered tool_use block of the message before: '" +
                        block.id.substr(0, 100) + "'");
  }
  Push({{"role", "tool"},
        {"tool_call_id", block.id},
        {"name", call->second},
        {"content", std::move(block.text)}},
       block.path);
  unanswered_.erase(call);
  return {};
}

Status Conversation::CheckAnswered() const {
  if (unanswered_.empty()) return {};
  return BadField(calls_path_,
                  "has a tool_use block without a tool_result block in the message "
                  "after it: '" +
                      unanswered_.begin()->first.substr(0, 100) + "'");
}

Status Conversation::EndTurn() {
  if (turn_.role == "system") {
    Push({{"role", "system"}, {"content", std::move(turn_.text)}}, turn_.path);
  }
  if (turn_.role == "user") {
    if (turn_.has_text) Push({{"role", "user"}, {"content", std::move(turn_.text)}}, turn_.path);
    return CheckAnswered();
  }
  if (turn_.role == "assistant") {
    Json message = {{"role", "assistant"}, {"content", std::move(turn_.text)}};
    if (!turn_.reasoning.empty()) message["reasoning_content"] = std::move(turn_.reasoning);
    if (!turn_.calls.empty()) message["tool_calls"] = std::move(turn_.calls);
    Push(std::move(message), turn_.path);
  }
  return {};
}

Status Conversation::Finish() {
  if (turn_.role != "assistant") {
    const Status ended = EndTurn();
    return ended ? CheckAnswered() : ended;
  }
  if (const Status answered = CheckAnswered(); !answered) return answered;
  if (!turn_.reasoning.empty()) {
    return BadField(turn_.path,
                    "is the last message and from the assistant: the answer goes on "
                    "from it, so it can only hold text");
  }
  if (!turn_.text.empty() && (turn_.text.back() == ' ' || turn_.text.back() == '\n')) {
    return BadField(turn_.path,
                    "is the last message and from the assistant: it must not end with "
                    "white space");
  }
  answer_begin_ = std::move(turn_.text);
  return {};
}

}  // namespace quire
