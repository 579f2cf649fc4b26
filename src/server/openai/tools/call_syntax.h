// server/openai/tools/call_syntax.h -- how calls are written in a format, as texts around them.
//
//   open  (before_name NAME after_name ARGUMENTS after_arguments)  between ( ... )  close
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "reply/reply_format.h"

namespace quire {

struct CallSyntax {
  std::string_view open;
  std::string_view before_name;
  std::string_view after_name;
  std::string_view after_arguments;
  std::string_view between;
  std::string_view close;
  std::string_view mark = {};  // what open + before_name begin with and no other text does
  bool several = true;         // more than one call can be made
};

// `chat_template` tells the older way of a format from the newer. Not for kNone.
CallSyntax CallSyntaxOf(ReplyFormat format, std::string_view chat_template);

struct ReasoningSyntax {
  std::string_view open;
  std::string_view close;
  std::string_view behind;  // what comes before the call
};
ReasoningSyntax ReasoningSyntaxOf(ReplyFormat format);

}  // namespace quire
