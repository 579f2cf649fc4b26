#include "reply/format/pythonic_calls.h"

#include <algorithm>
#include <utility>

#include "reply/format/json_text.h"

namespace quire {
namespace {

constexpr size_t kMaxName = 256;

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool IsNameCharacter(char c) {
  return IsLetter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

}  // namespace

CallSection::State PythonicCalls::Read(Cursor& cursor, CallSink& sink) {
  for (;;) {
    const std::optional<State> state = Step(cursor, sink);
    if (state) return *state;
  }
}

std::optional<CallSection::State> PythonicCalls::Step(Cursor& cursor, CallSink& sink) {
  if (place_ == Place::kJson) return json_.Read(cursor, sink);
  if (place_ == Place::kValue) return ReadValue(cursor, sink);
  const bool in_word = place_ == Place::kKey || (place_ == Place::kName && !name_.empty());
  if (!in_word) cursor.SkipSpace();
  if (place_ == Place::kBehind) return ReadBehind(cursor);
  if (cursor.empty()) {
    if (!cursor.last()) return State::kMore;
    return any_ && place_ == Place::kAfterCall ? State::kOver : State::kBroken;
  }
  switch (place_) {
    case Place::kFirst:
      return ReadFirst(cursor);
    case Place::kName:
      return ReadName(cursor, sink);
    case Place::kKey:
    case Place::kEquals:
      return ReadKey(cursor, sink);
    case Place::kAfterCall:
      return ReadAfterCall(cursor);
    default:
      return ReadArgument(cursor, sink);
  }
}

// Which kind it is shows behind the bracket; JSON is then read from there on.
std::optional<CallSection::State> PythonicCalls::ReadFirst(Cursor& cursor) {
  const char c = cursor.front();
  if (c == '[' && !in_list_) {
    cursor.Skip(1);
    in_list_ = true;
  } else if (c == '{') {
    if (in_list_) json_.StartInList();
    place_ = Place::kJson;
  } else if (IsLetter(c)) {
    name_.clear();
    place_ = Place::kName;
  } else {
    return State::kBroken;
  }
  return std::nullopt;
}

std::optional<CallSection::State> PythonicCalls::ReadName(Cursor& cursor, CallSink& sink) {
  while (!cursor.empty() && IsNameCharacter(cursor.front()) && name_.size() < kMaxName) {
    name_ += cursor.front();
    cursor.Skip(1);
  }
  if (cursor.empty()) return std::nullopt;
  if (name_.empty() && any_ && cursor.front() == ']') return ReadAfterCall(cursor);
  if (cursor.front() != '(') return State::kBroken;
  cursor.Skip(1);
  const ToolNames& known = *rules_.object.only;
  const auto is_known = [&] { return std::ranges::find(known, name_) != known.end(); };
  constexpr std::string_view kCall = ".call";  // of the tools that Llama was trained with
  if (!is_known() && name_.ends_with(kCall)) name_.resize(name_.size() - kCall.size());
  if (!is_known()) return State::kBroken;
  sink.Begin(name_);
  sink.Arguments("{");
  keys_.clear();
  place_ = Place::kFirstArgument;
  return std::nullopt;
}

void PythonicCalls::EndCall(CallSink& sink) {
  sink.Arguments("}");
  sink.End();
  any_ = true;
  name_.clear();
  place_ = Place::kAfterCall;
}

// Where an argument, a comma or the closing bracket may come.
std::optional<CallSection::State> PythonicCalls::ReadArgument(Cursor& cursor, CallSink& sink) {
  const char c = cursor.front();
  if (c == ')') {
    cursor.Skip(1);
    EndCall(sink);
  } else if (place_ == Place::kAfterValue) {
    if (c != ',') return State::kBroken;
    cursor.Skip(1);
    place_ = Place::kArgument;
  } else if (IsLetter(c)) {
    key_.clear();
    place_ = Place::kKey;
  } else {
    return State::kBroken;
  }
  return std::nullopt;
}

std::optional<CallSection::State> PythonicCalls::ReadKey(Cursor& cursor, CallSink& sink) {
  while (place_ == Place::kKey && !cursor.empty() && IsNameCharacter(cursor.front()) &&
         key_.size() < kMaxName) {
    key_ += cursor.front();
    cursor.Skip(1);
  }
  if (cursor.empty()) return std::nullopt;
  if (place_ == Place::kKey) {
    place_ = Place::kEquals;
    return std::nullopt;
  }
  if (cursor.front() != '=') return State::kBroken;
  cursor.Skip(1);
  const bool first = keys_.empty();
  if (!keys_.insert(key_).second) return State::kBroken;
  sink.Arguments((first ? "" : ", ") + JsonString(key_) + ": ");
  scan_ = PythonScan();
  place_ = Place::kValue;
  return std::nullopt;
}

std::optional<CallSection::State> PythonicCalls::ReadValue(Cursor& cursor, CallSink& sink) {
  PythonScan::Step step = PythonScan::Step::kMore;
  std::string piece;
  while (step == PythonScan::Step::kMore && !cursor.empty()) {
    step = scan_.Take(cursor.front(), piece);
    const bool taken = step == PythonScan::Step::kMore || step == PythonScan::Step::kDone;
    if (taken) cursor.Skip(1);
  }
  if (!piece.empty()) sink.Arguments(piece);
  if (step == PythonScan::Step::kBad) return State::kBroken;
  if (step == PythonScan::Step::kMore) return cursor.last() ? State::kBroken : State::kMore;
  place_ = Place::kAfterValue;
  return std::nullopt;
}

std::optional<CallSection::State> PythonicCalls::ReadAfterCall(Cursor& cursor) {
  const char c = cursor.front();
  const bool separates = c == ',' || c == ';';
  if (c != ']' && !separates) return State::kOver;
  if (c == ']' && !in_list_) return State::kOver;
  cursor.Skip(1);
  place_ = separates ? Place::kName : Place::kBehind;
  return std::nullopt;
}

std::optional<CallSection::State> PythonicCalls::ReadBehind(Cursor& cursor) {
  if (cursor.empty()) return cursor.last() ? State::kOver : State::kMore;
  for (const std::string& closing : rules_.closings) {
    const auto match = cursor.Take(closing);
    if (match == Cursor::Match::kPart) return State::kMore;
    if (match == Cursor::Match::kYes) break;
  }
  return State::kOver;
}

}  // namespace quire
