// [TOOL_CALLS][{"name": "f", "arguments": {...}}] and, newer, [TOOL_CALLS]f[ARGS]{...} or
// [TOOL_CALLS]f[CALL_ID]123456789[ARGS]{...}, one mark per call.
#include <optional>

#include "reply/arguments_object.h"
#include "reply/format/formats.h"
#include "reply/format/json_calls.h"

namespace quire {
namespace {

constexpr std::string_view kCallsMark = "[TOOL_CALLS]";

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

class MistralCalls final : public CallSection {
 public:
  State Read(Cursor& cursor, CallSink& sink) override {
    for (;;) {
      const std::optional<State> state = Step(cursor, sink);
      if (state) return *state;
    }
  }

 private:
  enum class Place : uint8_t { kFirst, kList, kName, kId, kArguments, kBehind };

  State Wait(const Cursor& cursor) const { return cursor.last() ? State::kBroken : State::kMore; }

  // Nothing: go on with the next step.
  std::optional<State> Step(Cursor& cursor, CallSink& sink) {
    if (place_ == Place::kList) return list_.Read(cursor, sink);
    if (place_ == Place::kBehind) return ReadBehind(cursor);
    if (place_ == Place::kArguments) return ReadArguments(cursor, sink);
    if (cursor.empty()) return Wait(cursor);
    if (place_ == Place::kFirst) return ReadFirst(cursor);
    return place_ == Place::kName ? ReadName(cursor) : ReadId(cursor);
  }

  std::optional<State> ReadFirst(Cursor& cursor) {
    cursor.SkipSpace();
    if (cursor.empty()) return Wait(cursor);
    const bool json = cursor.front() == '[' || cursor.front() == '{';
    place_ = json ? Place::kList : Place::kName;
    name_.clear();
    return std::nullopt;
  }

  std::optional<State> ReadName(Cursor& cursor) {
    while (!cursor.empty() && IsNameCharacter(cursor.front())) {
      name_ += cursor.front();
      cursor.Skip(1);
    }
    if (cursor.empty()) return Wait(cursor);
    if (name_.empty()) return State::kBroken;
    if (cursor.front() == '{') {
      StartArguments();
      return std::nullopt;
    }
    if (const auto match = cursor.Take("[ARGS]"); match != Cursor::Match::kNo) {
      if (match == Cursor::Match::kPart) return State::kMore;
      StartArguments();
      return std::nullopt;
    }
    const auto match = cursor.Take("[CALL_ID]");
    if (match == Cursor::Match::kPart) return State::kMore;
    if (match == Cursor::Match::kNo) return State::kBroken;
    place_ = Place::kId;
    return std::nullopt;
  }

  std::optional<State> ReadId(Cursor& cursor) {
    while (!cursor.empty() && IsNameCharacter(cursor.front())) cursor.Skip(1);
    if (cursor.empty()) return Wait(cursor);
    const auto match = cursor.Take("[ARGS]");
    if (match == Cursor::Match::kPart) return State::kMore;
    if (match == Cursor::Match::kNo) return State::kBroken;
    StartArguments();
    return std::nullopt;
  }

  void StartArguments() {
    arguments_ = ArgumentsObject();
    place_ = Place::kArguments;
  }

  std::optional<State> ReadArguments(Cursor& cursor, CallSink& sink) {
    const auto state = arguments_.Read(cursor, name_, sink);
    if (state == ArgumentsObject::State::kMore) return Wait(cursor);
    if (state == ArgumentsObject::State::kBad) return State::kBroken;
    place_ = Place::kBehind;
    return std::nullopt;
  }

  std::optional<State> ReadBehind(Cursor& cursor) {
    cursor.SkipSpace();
    if (cursor.empty()) return cursor.last() ? State::kOver : State::kMore;
    const auto match = cursor.Take(kCallsMark);
    if (match == Cursor::Match::kPart) return State::kMore;
    if (match == Cursor::Match::kNo) return State::kOver;
    place_ = Place::kFirst;
    return std::nullopt;
  }

  Place place_ = Place::kFirst;
  JsonCalls list_{JsonCallsRules{}};
  std::string name_;
  ArgumentsObject arguments_;
};

}  // namespace

ReplyRules MistralRules(const ToolNames* names) {
  ReplyRules rules;
  rules.reasoning = {{"[THINK]", "[/THINK]"}, {"<think>", "</think>"}};
  if (names == nullptr) return rules;
  const CallObjectRules given = {.only = names};
  rules.calls = {
      {std::string(kCallsMark), [] { return std::make_unique<MistralCalls>(); }},
      {"[", JsonCalls::Maker({given, {}, {}}), true},
      {"{", JsonCalls::Maker({given, {}, {}}), true},
  };
  return rules;
}

}  // namespace quire
