// <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{...}\n```
// <｜tool▁call▁end｜>...<｜tool▁calls▁end｜>; since V3.1 f<｜tool▁sep｜>{...} inside. Distilled
// models spell the outermost mark in several ways.
#include <algorithm>
#include <optional>

#include "reply/arguments_object.h"
#include "reply/format/formats.h"
#include "reply/format/json_calls.h"

namespace quire {
namespace {

constexpr std::string_view kCall = "<｜tool▁call▁begin｜>";
constexpr std::string_view kSeparator = "<｜tool▁sep｜>";
constexpr std::string_view kCallEnd = "<｜tool▁call▁end｜>";
constexpr std::string_view kCallsEnd = "<｜tool▁calls▁end｜>";
constexpr size_t kMaxHeader = 256;

class DeepSeekCalls final : public CallSection {
 public:
  explicit DeepSeekCalls(bool in_call) : place_(in_call ? Place::kHeader : Place::kBetween) {}

  State Read(Cursor& cursor, CallSink& sink) override {
    for (;;) {
      const std::optional<State> state = Step(cursor, sink);
      if (state) return *state;
    }
  }

 private:
  enum class Place : uint8_t { kBetween, kHeader, kName, kFence, kArguments, kBehind };

  State End() const { return any_ ? State::kOver : State::kBroken; }
  State Wait(const Cursor& cursor) const { return cursor.last() ? State::kBroken : State::kMore; }

  std::optional<State> Step(Cursor& cursor, CallSink& sink) {
    switch (place_) {
      case Place::kBetween:
        return ReadBetween(cursor);
      case Place::kHeader:
        return ReadHeader(cursor);
      case Place::kName:
        return ReadName(cursor);
      case Place::kFence:
        return ReadFence(cursor);
      case Place::kArguments:
        return ReadArguments(cursor, sink);
      case Place::kBehind:
        break;
    }
    return ReadBehind(cursor);
  }

  std::optional<State> ReadBetween(Cursor& cursor) {
    cursor.SkipSpace();
    if (cursor.empty()) return cursor.last() ? End() : State::kMore;
    const auto call = cursor.Take(kCall);
    if (call == Cursor::Match::kYes) {
      place_ = Place::kHeader;
      name_.clear();
      return std::nullopt;
    }
    const auto end = cursor.Take(kCallsEnd);
    if (end == Cursor::Match::kYes) return End();
    const bool part = call == Cursor::Match::kPart || end == Cursor::Match::kPart;
    return part ? State::kMore : End();
  }

  // Up to the separator: "function", or the name.
  std::optional<State> ReadHeader(Cursor& cursor) {
    for (;;) {
      if (cursor.empty()) return Wait(cursor);
      const auto match = cursor.Take(kSeparator);
      if (match == Cursor::Match::kPart) return State::kMore;
      if (match == Cursor::Match::kYes) break;
      if (cursor.front() == '{' || name_.size() == kMaxHeader) return State::kBroken;
      name_ += cursor.front();
      cursor.Skip(1);
    }
    place_ = Place::kName;
    header_over_ = false;
    return std::nullopt;
  }

  // The name on the rest of the line, unless arguments follow at once.
  std::optional<State> ReadName(Cursor& cursor) {
    if (!header_over_) cursor.SkipSpace();
    if (cursor.empty()) return Wait(cursor);
    if (!header_over_ && cursor.front() == '{') return StartArguments();
    if (!header_over_) name_.clear();
    header_over_ = true;
    while (!cursor.empty() && cursor.front() != '\n' && cursor.front() != '{') {
      if (name_.size() == kMaxHeader || cursor.front() == '<') return State::kBroken;
      name_ += cursor.front();
      cursor.Skip(1);
    }
    if (cursor.empty()) return Wait(cursor);
    place_ = Place::kFence;
    return std::nullopt;
  }

  std::optional<State> ReadFence(Cursor& cursor) {
    cursor.SkipSpace();
    if (cursor.empty()) return Wait(cursor);
    if (cursor.front() == '{') return StartArguments();
    const auto match = cursor.Take("```json");
    if (match == Cursor::Match::kPart) return State::kMore;
    return match == Cursor::Match::kYes ? StartArguments() : State::kBroken;
  }

  std::optional<State> StartArguments() {
    while (!name_.empty() && IsJsonSpace(name_.back())) name_.pop_back();
    if (name_.empty()) return State::kBroken;
    arguments_ = ArgumentsObject();
    place_ = Place::kArguments;
    return std::nullopt;
  }

  std::optional<State> ReadArguments(Cursor& cursor, CallSink& sink) {
    const auto state = arguments_.Read(cursor, name_, sink);
    if (state == ArgumentsObject::State::kMore) return Wait(cursor);
    if (state == ArgumentsObject::State::kBad) return State::kBroken;
    any_ = true;
    place_ = Place::kBehind;
    return std::nullopt;
  }

  std::optional<State> ReadBehind(Cursor& cursor) {
    cursor.SkipSpace();
    if (cursor.empty()) return cursor.last() ? End() : State::kMore;
    const auto fence = cursor.Take("```");
    if (fence == Cursor::Match::kYes) return std::nullopt;
    const auto end = cursor.Take(kCallEnd);
    if (fence == Cursor::Match::kPart || end == Cursor::Match::kPart) return State::kMore;
    place_ = Place::kBetween;  // with or without its end
    return std::nullopt;
  }

  Place place_;
  std::string name_;
  bool header_over_ = false;
  bool any_ = false;
  ArgumentsObject arguments_;
};

}  // namespace

ReplyRules DeepSeekRules(const ToolNames* names) {
  ReplyRules rules;
  rules.reasoning = {{"<think>", "</think>"}};
  if (names == nullptr) return rules;
  for (const char* mark : {"<｜tool▁calls▁begin｜>", "<｜tool_calls_begin｜>",
                           "<｜tool calls begin｜>", "<｜tool▁calls｜>", "<|tool▁calls▁begin|>"}) {
    rules.calls.push_back({mark, [] { return std::make_unique<DeepSeekCalls>(false); }});
  }
  rules.calls.push_back({std::string(kCall), [] { return std::make_unique<DeepSeekCalls>(true); }});
  const CallObjectRules given = {.only = names};
  rules.calls.push_back({"```", JsonCalls::Maker({given, {"```"}, "json"})});
  rules.calls.push_back({"{", JsonCalls::Maker({given, {}, {}}), true});
  return rules;
}

}  // namespace quire
