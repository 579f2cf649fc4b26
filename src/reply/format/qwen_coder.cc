// <tool_call> <function=f> <parameter=x> value </parameter> </function> </tool_call>, as
// Qwen3-Coder and those after it are trained to. Values stand as they are, without quotes: whether
// one is a text or JSON is for the tool's schema to say.
//
// The outermost mark is often left out; and what Hermes would write inside it is understood too.
#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "reply/format/formats.h"
#include "reply/format/json_calls.h"
#include "reply/format/json_text.h"

namespace quire {
namespace {

constexpr std::string_view kFunctionMark = "<function=";
constexpr std::string_view kFunctionEnd = "</function>";
constexpr std::string_view kParameter = "<parameter=";
constexpr std::string_view kParameterEnd = "</parameter>";
constexpr std::string_view kCallEnd = "</tool_call>";
constexpr size_t kMaxName = 256;

class QwenCalls final : public CallSection {
 public:
  // `in_function`: "<function=" was read, without the mark around it: only tools of `names` count.
  QwenCalls(bool in_function, const ToolNames* names, const TextParameters* texts)
      : place_(in_function ? Place::kName : Place::kFirst),
        only_(in_function ? names : nullptr),
        texts_(*texts) {}

  State Read(Cursor& cursor, CallSink& sink) override {
    for (;;) {
      const std::optional<State> state = Step(cursor, sink);
      if (state) return *state;
    }
  }

 private:
  enum class Place : uint8_t { kFirst, kJson, kFunction, kName, kInside, kKey, kValue, kBehind };

  State Wait(const Cursor& cursor) const { return cursor.last() ? State::kBroken : State::kMore; }

  std::optional<State> Step(Cursor& cursor, CallSink& sink) {
    if (place_ == Place::kJson) return json_.Read(cursor, sink);
    if (place_ == Place::kValue) return ReadValue(cursor, sink);
    if (place_ != Place::kKey && place_ != Place::kName) cursor.SkipSpace();
    if (place_ == Place::kBehind) return ReadBehind(cursor);
    if (cursor.empty()) return Wait(cursor);
    switch (place_) {
      case Place::kFirst:
        place_ = cursor.front() == '{' || cursor.front() == '[' ? Place::kJson : Place::kFunction;
        return std::nullopt;
      case Place::kFunction:
        return Expect(cursor, kFunctionMark, Place::kName);
      case Place::kName:
        return ReadName(cursor);
      case Place::kKey:
        return ReadKey(cursor, sink);
      default:
        return ReadInside(cursor, sink);
    }
  }

  std::optional<State> Expect(Cursor& cursor, std::string_view mark, Place next) {
    const auto match = cursor.Take(mark);
    if (match == Cursor::Match::kPart) return State::kMore;
    if (match == Cursor::Match::kNo) return State::kBroken;
    place_ = next;
    return std::nullopt;
  }

  // Up to ">". False if no name may look like that; else `whole` says whether it is all there.
  static bool ReadUpToEnd(Cursor& cursor, std::string& name, bool& whole) {
    while (!whole && !cursor.empty()) {
      const char c = cursor.front();
      if (c == '<' || c == '\n' || name.size() == kMaxName || (c == '>' && name.empty())) {
        return false;
      }
      cursor.Skip(1);
      whole = c == '>';
      if (!whole) name += c;
    }
    return true;
  }

  std::optional<State> ReadName(Cursor& cursor) {
    bool whole = false;
    if (!ReadUpToEnd(cursor, name_, whole)) return State::kBroken;
    if (!whole) return Wait(cursor);
    if (only_ != nullptr && std::ranges::find(*only_, name_) == only_->end()) {
      return State::kBroken;
    }
    place_ = Place::kInside;
    return std::nullopt;
  }

  // Between parameters.
  std::optional<State> ReadInside(Cursor& cursor, CallSink& sink) {
    const auto parameter = cursor.Take(kParameter);
    if (parameter == Cursor::Match::kYes) {
      key_.clear();
      place_ = Place::kKey;
      return std::nullopt;
    }
    const auto end = cursor.Take(kFunctionEnd);
    if (end == Cursor::Match::kYes) {
      if (!begun_) Begin(sink);
      sink.Arguments("}");
      sink.End();
      place_ = Place::kBehind;
      return std::nullopt;
    }
    const bool part = parameter == Cursor::Match::kPart || end == Cursor::Match::kPart;
    return part ? State::kMore : State::kBroken;
  }

  void Begin(CallSink& sink) {
    begun_ = true;
    sink.Begin(name_);
    sink.Arguments("{");
  }

  std::optional<State> ReadKey(Cursor& cursor, CallSink& sink) {
    bool whole = false;
    if (!ReadUpToEnd(cursor, key_, whole)) return State::kBroken;
    if (!whole) return Wait(cursor);
    const bool first = keys_.empty();
    if (!keys_.insert(key_).second) return State::kBroken;
    if (!begun_) Begin(sink);
    sink.Arguments((first ? "" : ", ") + JsonString(key_) + ": ");
    is_text_ = texts_.contains({name_, key_});
    if (is_text_) sink.Arguments("\"");
    value_.clear();
    at_start_ = true;
    place_ = Place::kValue;
    return std::nullopt;
  }

  // Up to the closing mark. A line feed behind the opening one and one before the closing one
  // belong to the marks, so one is held back with what may be the mark.
  std::optional<State> ReadValue(Cursor& cursor, CallSink& sink) {
    std::string piece;
    bool over = false;
    while (!over && !cursor.empty()) {
      if (std::exchange(at_start_, false) && cursor.front() == '\n') {
        cursor.Skip(1);
        continue;
      }
      const std::string end =
          cursor.front() == '\n' ? "\n" + std::string(kParameterEnd) : std::string(kParameterEnd);
      const auto match = cursor.Take(end);
      if (match == Cursor::Match::kPart) break;
      over = match == Cursor::Match::kYes;
      if (over) continue;
      piece += cursor.front();
      cursor.Skip(1);
    }
    if (is_text_) {
      const std::string quoted = JsonQuotes(piece);
      if (!quoted.empty()) sink.Arguments(quoted);
      if (over) sink.Arguments("\"");
    } else {
      value_ += piece;
      if (over) sink.Arguments(JsonOrText(value_));
    }
    if (!over) return Wait(cursor);
    place_ = Place::kInside;
    return std::nullopt;
  }

  // The mark around the call may be missing, and another call may follow in it.
  std::optional<State> ReadBehind(Cursor& cursor) {
    if (cursor.empty()) return cursor.last() ? State::kOver : State::kMore;
    const auto end = cursor.Take(kCallEnd);
    if (end == Cursor::Match::kYes) return State::kOver;
    const auto next = cursor.Take(kFunctionMark);
    if (next == Cursor::Match::kNo)
      return end == Cursor::Match::kPart ? State::kMore : State::kOver;
    if (next == Cursor::Match::kPart) return State::kMore;
    name_.clear();
    keys_.clear();
    begun_ = false;
    place_ = Place::kName;
    return std::nullopt;
  }

  Place place_;
  const ToolNames* only_;
  const TextParameters& texts_;
  JsonCalls json_{JsonCallsRules{{}, {std::string(kCallEnd)}, {}}};
  std::string name_;
  std::string key_;
  std::set<std::string> keys_;
  std::string value_;  // of a parameter that may be JSON
  bool begun_ = false;
  bool is_text_ = false;
  bool at_start_ = false;  // of a value
};

}  // namespace

ReplyRules QwenCoderRules(const ToolNames* names, const TextParameters* texts) {
  ReplyRules rules;
  rules.reasoning = {{"<think>", "</think>"}};
  if (names == nullptr) return rules;
  const CallObjectRules given = {.only = names};
  rules.calls = {
      {"<tool_call>", [=] { return std::make_unique<QwenCalls>(false, names, texts); }},
      {std::string(kFunctionMark), [=] { return std::make_unique<QwenCalls>(true, names, texts); }},
      {"```", JsonCalls::Maker({given, {"```"}, "json"})},
      {"{", JsonCalls::Maker({given, {std::string(kCallEnd)}, {}}), true},
      {"[", JsonCalls::Maker({given, {std::string(kCallEnd)}, {}}), true},
  };
  return rules;
}

}  // namespace quire
