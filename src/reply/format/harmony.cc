// Messages in channels, as gpt-oss writes them, each up to <|end|>, <|call|> or <|return|>:
//
//   <|channel|>analysis<|message|>...                                        reasoning
//   <|channel|>final<|message|>..., <|channel|>commentary<|message|>...      content
//   <|channel|>commentary to=functions.f <|constrain|>json<|message|>{...}   a call
//
// and <|start|>assistant before each but the first.
#include <optional>

#include "reply/arguments_object.h"
#include "reply/format/formats.h"

namespace quire {
namespace {

constexpr size_t kMaxHeader = 256;

class HarmonyCall final : public CallSection {
 public:
  State Read(Cursor& cursor, CallSink& sink) override {
    if (place_ == Place::kHeader) {
      const std::optional<State> state = ReadHeader(cursor);
      if (state) return *state;
    }
    if (place_ == Place::kArguments) {
      const auto state = arguments_.Read(cursor, name_, sink);
      if (state == ArgumentsObject::State::kBad) return State::kBroken;
      if (state == ArgumentsObject::State::kMore) {
        return cursor.last() ? State::kBroken : State::kMore;
      }
      place_ = Place::kBehind;
    }
    cursor.SkipSpace();
    bool part = false;
    for (const std::string_view mark : {"<|call|>", "<|end|>", "<|return|>"}) {
      const auto match = cursor.Take(mark);
      if (match == Cursor::Match::kYes) return State::kOver;
      part = part || match == Cursor::Match::kPart;
    }
    return part ? State::kMore : State::kOver;
  }

 private:
  enum class Place : uint8_t { kHeader, kArguments, kBehind };

  // "functions.f <|constrain|>json<|message|>"
  std::optional<State> ReadHeader(Cursor& cursor) {
    for (;;) {
      if (cursor.empty()) return cursor.last() ? State::kBroken : State::kMore;
      const auto match = cursor.Take("<|message|>");
      if (match == Cursor::Match::kPart) return State::kMore;
      if (match == Cursor::Match::kYes) break;
      if (++header_bytes_ > kMaxHeader) return State::kBroken;
      const char c = cursor.front();
      if (c == ' ' || c == '<') named_ = true;
      if (!named_) name_ += c;
      cursor.Skip(1);
    }
    constexpr std::string_view kNamespace = "functions.";
    if (name_.starts_with(kNamespace)) name_.erase(0, kNamespace.size());
    if (name_.empty()) return State::kBroken;
    place_ = Place::kArguments;
    return std::nullopt;
  }

  Place place_ = Place::kHeader;
  std::string name_;
  bool named_ = false;
  size_t header_bytes_ = 0;
  ArgumentsObject arguments_;
};

}  // namespace

ReplyRules HarmonyRules(const ToolNames* names) {
  ReplyRules rules;
  rules.reasoning = {{"<|channel|>analysis<|message|>", "<|end|>"}};
  rules.reasoning_anywhere = true;
  rules.hidden = {"<|start|>assistant", "<|channel|>final<|message|>",
                  "<|channel|>commentary<|message|>", "<|end|>", "<|return|>"};
  if (names == nullptr) return rules;
  for (const char* mark :
       {"<|channel|>commentary to=", "<|channel|>analysis to=", "<|start|>assistant to="}) {
    rules.calls.push_back({mark, [] { return std::make_unique<HarmonyCall>(); }});
  }
  return rules;
}

}  // namespace quire
