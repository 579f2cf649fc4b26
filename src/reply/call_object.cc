#include "reply/call_object.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace quire {
namespace {

// The text that a JSON string stands for; false if it is none.
bool Unquote(const std::string& json, std::string& text) {
  const auto value = nlohmann::json::parse(json, nullptr, false);
  if (!value.is_string()) return false;
  text = value.get<std::string>();
  return true;
}

bool IsObject(std::string_view text) {
  JsonScan scan;
  std::string copy;
  size_t at = 0;
  while (at < text.size() && IsJsonSpace(text[at])) ++at;
  if (at == text.size() || text[at] != '{') return false;
  for (; at < text.size(); ++at) {
    const JsonScan::Step step = scan.Take(text[at], copy);
    if (step == JsonScan::Step::kBad) return false;
    if (step == JsonScan::Step::kDone) break;
  }
  if (at == text.size()) return false;
  return std::ranges::all_of(text.substr(at + 1), IsJsonSpace);
}

}  // namespace

CallObject::State CallObject::Read(Cursor& cursor, CallSink& sink) {
  State state = State::kMore;
  while (state == State::kMore && !cursor.empty()) {
    const char c = cursor.front();
    cursor.Skip(1);  // before the sink hears of it: it asks where we are
    state = Take(c, sink);
    if (state == State::kBad) cursor.Back(1);
  }
  FlushArguments(sink);
  return state;
}

void CallObject::FlushArguments(CallSink& sink) {
  if (streaming_ && !value_.empty()) sink.Arguments(std::exchange(value_, {}));
}

CallObject::State CallObject::Take(char c, CallSink& sink) {
  if (place_ != Place::kInKey && place_ != Place::kInValue) return TakeStructure(c, sink);
  switch (scan_.Take(c, value_)) {
    case JsonScan::Step::kMore:
      return State::kMore;
    case JsonScan::Step::kDone:
      return place_ == Place::kInKey ? EndKey() : EndValue(sink);
    case JsonScan::Step::kBefore: {
      const State state = EndValue(sink);
      return state == State::kMore ? TakeStructure(c, sink) : state;
    }
    case JsonScan::Step::kBad:
      break;
  }
  return State::kBad;
}

CallObject::State CallObject::TakeStructure(char c, CallSink& sink) {
  if (IsJsonSpace(c)) return State::kMore;
  switch (place_) {
    case Place::kOpen:
      if (c != '{') return State::kBad;
      ++depth_;
      place_ = Place::kFirstKey;
      return State::kMore;
    case Place::kFirstKey:
    case Place::kKey:
      if (c == '{' && rules_.doubled_braces && place_ == Place::kFirstKey && doubled_ == 0) {
        doubled_ = 1;
        return State::kMore;
      }
      if (c == '}' && place_ == Place::kFirstKey) return Close(sink);
      if (c != '"') return State::kBad;
      scan_ = JsonScan();
      value_.clear();
      place_ = Place::kInKey;
      return Take(c, sink);
    case Place::kColon:
      if (c != ':') return State::kBad;
      place_ = Place::kValue;
      return State::kMore;
    case Place::kValue:
      return BeginValue(c, sink);
    default:
      break;
  }
  if (c == ',') {
    place_ = Place::kKey;
    return State::kMore;
  }
  return c == '}' ? Close(sink) : State::kBad;
}

CallObject::State CallObject::EndKey() {
  std::string key;
  if (!Unquote(value_, key)) return State::kBad;
  role_ = Role::kOther;
  if (key == "name" || key == "tool_name") role_ = Role::kName;
  if (key == "arguments" || key == "parameters") role_ = Role::kArguments;
  if (key == "function") role_ = Role::kFunction;
  const bool usual = role_ != Role::kOther || key == "type" || key == "id" || key == "tool_call_id";
  if (rules_.only != nullptr && !usual) return State::kBad;
  place_ = Place::kColon;
  return State::kMore;
}

CallObject::State CallObject::BeginValue(char c, CallSink& sink) {
  if (role_ == Role::kFunction) {
    if (c == '{' && depth_ == 1) {
      ++depth_;
      place_ = Place::kFirstKey;
      return State::kMore;
    }
    role_ = c == '"' ? Role::kName : Role::kOther;  // {"function": "name", ...}
  }
  if (role_ == Role::kName && has_name_) role_ = Role::kOther;
  if (role_ == Role::kArguments && has_arguments_) role_ = Role::kOther;
  if (role_ == Role::kName && c != '"') return State::kBad;
  scan_ = JsonScan();
  value_.clear();
  place_ = Place::kInValue;
  if (role_ == Role::kArguments) {
    if (c != '{' && c != '"' && c != 'n') return State::kBad;
    arguments_are_text_ = c == '"';
    streaming_ = c == '{' && has_name_;
    if (streaming_) sink.Begin(name_);
  }
  return Take(c, sink);
}

CallObject::State CallObject::EndValue(CallSink& sink) {
  place_ = Place::kAfter;
  if (role_ == Role::kName) return EndName(sink);
  if (role_ == Role::kArguments) return EndArguments(sink);
  return State::kMore;
}

CallObject::State CallObject::EndName(CallSink& sink) {
  if (!Unquote(value_, name_) || name_.empty()) return State::kBad;
  if (rules_.only != nullptr && std::ranges::find(*rules_.only, name_) == rules_.only->end()) {
    return State::kBad;
  }
  has_name_ = true;
  if (!has_arguments_) return State::kMore;
  sink.Begin(name_);
  sink.Arguments(arguments_);
  sink.End();
  ended_ = true;
  return State::kMore;
}

CallObject::State CallObject::EndArguments(CallSink& sink) {
  has_arguments_ = true;
  if (streaming_) {
    FlushArguments(sink);
    streaming_ = false;
    sink.End();
    ended_ = true;
    return State::kMore;
  }
  arguments_ = std::exchange(value_, {});
  if (arguments_are_text_) {
    std::string text;
    if (!Unquote(arguments_, text)) return State::kBad;
    const bool blank = std::ranges::all_of(text, IsJsonSpace);
    arguments_ = blank ? "{}" : std::move(text);
    if (!IsObject(arguments_)) return State::kBad;
  } else if (arguments_ == "null") {
    arguments_ = "{}";
  }
  if (!has_name_) return State::kMore;
  sink.Begin(name_);
  sink.Arguments(arguments_);
  sink.End();
  ended_ = true;
  return State::kMore;
}

CallObject::State CallObject::Close(CallSink& sink) {
  place_ = Place::kAfter;
  if (depth_ == 2) {
    --depth_;
    return State::kMore;
  }
  if (!has_name_) return State::kBad;
  if (!ended_) {
    sink.Begin(name_);
    sink.Arguments("{}");
    sink.End();
    ended_ = true;
  }
  if (doubled_ == 1) {
    doubled_ = 2;
    return State::kMore;
  }
  return State::kDone;
}

}  // namespace quire
