// reply/reply_message.h -- everything an answer said, put together.
#pragma once

#include <string>
#include <vector>

#include "reply/reply_event.h"

namespace quire {

struct ReplyMessage {
  struct Call {
    std::string name;
    std::string arguments;  // JSON of an object
  };
  std::string content;
  std::string reasoning;
  std::vector<Call> calls;  // whole ones
  Call open;                // begun, and not yet known to be one

  // The events of one answer, in order. A broken call becomes content, as whole answers show it.
  void Add(const ReplyEvent& event);
};

}  // namespace quire
