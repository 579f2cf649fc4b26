// {"name": "f", "parameters": {...}} as the whole answer, or behind <|python_tag|>; and
// <function=f>{...}</function>, the other form that Llama 3.1 is told.
#include "reply/arguments_object.h"
#include "reply/format/formats.h"
#include "reply/format/json_calls.h"

namespace quire {
namespace {

class FunctionTag final : public CallSection {
 public:
  State Read(Cursor& cursor, CallSink& sink) override {
    while (!named_) {
      if (cursor.empty()) return cursor.last() ? State::kBroken : State::kMore;
      const char c = cursor.front();
      if (c == '<' || c == '{' || IsJsonSpace(c) || (c == '>' && name_.empty())) {
        return State::kBroken;
      }
      cursor.Skip(1);
      named_ = c == '>';
      if (!named_) name_ += c;
    }
    if (!whole_) {
      const auto state = arguments_.Read(cursor, name_, sink);
      if (state == ArgumentsObject::State::kBad) return State::kBroken;
      if (state == ArgumentsObject::State::kMore) {
        return cursor.last() ? State::kBroken : State::kMore;
      }
      whole_ = true;
    }
    cursor.SkipSpace();
    return cursor.Take("</function>") == Cursor::Match::kPart ? State::kMore : State::kOver;
  }

 private:
  std::string name_;
  bool named_ = false;
  bool whole_ = false;
  ArgumentsObject arguments_;
};

}  // namespace

ReplyRules LlamaRules(const ToolNames* names) {
  ReplyRules rules;
  rules.reasoning = {{"<think>", "</think>"}};
  if (names == nullptr) return rules;
  const CallObjectRules given = {.only = names};
  rules.calls = {
      {"<|python_tag|>", JsonCalls::Maker({given, {"<|eom_id|>"}, {}})},
      {"<function=", [] { return std::make_unique<FunctionTag>(); }},
      {"```", JsonCalls::Maker({given, {"```"}, "json"})},
      {"{", JsonCalls::Maker({given, {}, {}}), true},
      {"[", JsonCalls::Maker({given, {}, {}}), true},
  };
  return rules;
}

}  // namespace quire
