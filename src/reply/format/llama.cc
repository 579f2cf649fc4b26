// {"name": "f", "parameters": {...}} as the whole answer, or behind <|python_tag|>;
// <function=f>{...}</function>, the other form that Llama 3.1 is told; and [f(x="a")], which is
// that of 3.2 and 4.
#include "reply/arguments_object.h"
#include "reply/format/formats.h"
#include "reply/format/json_calls.h"
#include "reply/format/pythonic_calls.h"

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
      {"<|python_tag|>", PythonicCalls::Maker({given, {"<|eom_id|>"}, {}})},
      {"<|python_start|>", PythonicCalls::Maker({given, {"<|python_end|>"}, {}})},
      {"<function=", [] { return std::make_unique<FunctionTag>(); }},
      {"```", JsonCalls::Maker({given, {"```"}, "json"})},
      {"{", JsonCalls::Maker({given, {}, {}}), true},
      {"[", PythonicCalls::Maker({given, {}, {}}), true},
  };
  return rules;
}

}  // namespace quire
