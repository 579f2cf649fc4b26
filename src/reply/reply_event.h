// reply/reply_event.h -- what a model's answer says, piece by piece: text, reasoning, tool calls.
//
// A ReplyParser turns the raw text of one answer into these events; each API writes them in its
// own JSON (server/openai/, server/anthropic/).
//
//   kContent* kReasoning* (kCallBegin kArguments* (kCallEnd | kCallBroken))*     in any mixture
//
// Invariants:
//   R1  `raw` of all events, joined, is the answer's text: nothing is lost, nothing is made up.
//   R2  calls are numbered 0, 1, ... as they begin, and never overlap. A broken one keeps its
//       number: a stream may have shown it.
//   R3  the pieces between kCallBegin and kCallEnd, joined, are one JSON object.
//   R4  kCallBroken gives the whole text of a call that was begun and cannot be one: it is content,
//       and a whole answer forgets the call. A stream cannot take back what it sent; it sends the
//       content. A call that breaks before it begins is plain kContent.
//
// Ids of calls are the writer's business (FreshCallId): models do not invent good ones.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace quire {

struct ReplyEvent {
  enum class Kind : uint8_t {
    kContent,     // text: for the user
    kReasoning,   // text: the model's thoughts
    kCallBegin,   // text: the name of the function
    kArguments,   // text: the next piece of the arguments' JSON
    kCallEnd,     // text: empty
    kCallBroken,  // text: the call as it was written, from its opening mark on
    kMark,        // text: empty; marks and the white space around them
  };
  Kind kind = Kind::kContent;
  uint32_t call = 0;  // number of the call; 0 for other events
  std::string text;
  std::string raw;  // the part of the answer that this event accounts for

  bool operator==(const ReplyEvent&) const = default;
};

using ReplyEvents = std::vector<ReplyEvent>;

}  // namespace quire
