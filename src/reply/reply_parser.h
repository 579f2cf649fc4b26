// reply/reply_parser.h -- takes an answer's text apart while it arrives.
//
//   Append* -> Finish, each adds the events that are certain now
//
// Text that may be the beginning of a mark is held back until it is known, never longer; a call
// begins when its name is known and its arguments have begun, then they flow. Whatever does not
// become a whole call is content. However the text is cut into pieces, the events are the same
// once neighbours of one kind are merged.
//
// Hostile  the text is a model's: anything may come. Held text is bounded by the answer itself.
// Threads  none: one parser per choice. Errors: none, there is no wrong text.
// Cost     linear in the text, but for a mark that begins and does not end, once per mark.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "reply/reply_event.h"
#include "reply/reply_format.h"

namespace quire {

struct ReplyOptions {
  ReplyFormat format = ReplyFormat::kNone;
  // Names of the tools that may be called; empty: the answer has no calls, only reasoning.
  std::vector<std::string> tools;
  bool starts_in_reasoning = false;  // the prompt ended with the mark that opens it
  bool one_call = false;             // what looks like another one is content
  // Tools and their parameters that are texts, for formats that write values without quotes.
  std::set<std::pair<std::string, std::string>> text_parameters = {};
};

class ReplyParser {
 public:
  virtual ~ReplyParser() = default;
  virtual void Append(std::string_view text, ReplyEvents& out) = 0;
  // The answer is over, whatever ended it. Nothing may be appended afterwards.
  virtual void Finish(ReplyEvents& out) = 0;
};

std::unique_ptr<ReplyParser> MakeReplyParser(const ReplyOptions& options);

}  // namespace quire
