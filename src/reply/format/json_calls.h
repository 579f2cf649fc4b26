// reply/format/json_calls.h -- a section of calls that are JSON objects, alone, in a row or a list.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "reply/call_object.h"
#include "reply/call_section.h"

namespace quire {

struct JsonCallsRules {
  CallObjectRules object;
  std::vector<std::string> closings;  // any of them ends the section; all may be missing
  std::string info;                   // a word that may stand before the first call
};

class JsonCalls final : public CallSection {
 public:
  explicit JsonCalls(JsonCallsRules rules) : rules_(std::move(rules)) {}

  State Read(Cursor& cursor, CallSink& sink) override;
  // Goes on behind the bracket that opens a list.
  void StartInList() { list_ = List::kOpen; }

  static MakeCallSection Maker(JsonCallsRules rules) {
    return [rules] { return std::make_unique<JsonCalls>(rules); };
  }

 private:
  // What comes next is no call.
  State End() const { return any_ ? State::kOver : State::kBroken; }
  State ReadObject(Cursor& cursor, CallSink& sink);
  State ReadBetween(Cursor& cursor, bool& object_next);
  State ReadInfo(Cursor& cursor);

  JsonCallsRules rules_;
  std::unique_ptr<CallObject> object_;
  bool any_ = false;  // a call was whole
  bool info_over_ = false;
  enum class List : uint8_t { kNone, kOpen, kClosed };
  List list_ = List::kNone;
};

}  // namespace quire
