#include "reply/reply_message.h"

#include <utility>

namespace quire {

void ReplyMessage::Add(const ReplyEvent& event) {
  switch (event.kind) {
    case ReplyEvent::Kind::kContent:
    case ReplyEvent::Kind::kCallBroken:
      content += event.text;
      break;
    case ReplyEvent::Kind::kReasoning:
      reasoning += event.text;
      break;
    case ReplyEvent::Kind::kCallBegin:
      open = {event.text, {}};
      break;
    case ReplyEvent::Kind::kArguments:
      open.arguments += event.text;
      break;
    case ReplyEvent::Kind::kCallEnd:
      calls.push_back(std::move(open));
      break;
    case ReplyEvent::Kind::kMark:
      break;
  }
}

}  // namespace quire
