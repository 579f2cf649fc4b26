#include "reply/format/json_calls.h"

namespace quire {

CallSection::State JsonCalls::Read(Cursor& cursor, CallSink& sink) {
  State state = State::kMore;
  for (;;) {
    if (object_ != nullptr) {
      state = ReadObject(cursor, sink);
      if (object_ != nullptr || state != State::kMore) return state;
    }
    bool object_next = false;
    state = ReadBetween(cursor, object_next);
    if (!object_next) return state;
    object_ = std::make_unique<CallObject>(rules_.object);
  }
}

// kMore with object_ gone: what follows stands between calls.
CallSection::State JsonCalls::ReadObject(Cursor& cursor, CallSink& sink) {
  const CallObject::State state = object_->Read(cursor, sink);
  any_ = any_ || object_->ended();
  if (state == CallObject::State::kMore) {
    if (!cursor.last()) return State::kMore;
    return object_->ended() ? State::kOver : State::kBroken;
  }
  // Behind a whole call, brackets may be missing.
  if (state == CallObject::State::kBad && !object_->ended()) return State::kBroken;
  object_.reset();
  return State::kMore;
}

CallSection::State JsonCalls::ReadInfo(Cursor& cursor) {
  info_over_ = true;
  if (rules_.info.empty()) return State::kMore;
  info_over_ = cursor.Take(rules_.info) != Cursor::Match::kPart;
  return State::kMore;
}

CallSection::State JsonCalls::ReadBetween(Cursor& cursor, bool& object_next) {
  for (;;) {
    cursor.SkipSpace();
    if (cursor.empty()) return cursor.last() ? End() : State::kMore;
    if (!info_over_) {
      if (const State state = ReadInfo(cursor); !info_over_) return state;
      continue;
    }
    for (const std::string& closing : rules_.closings) {
      const Cursor::Match match = cursor.Take(closing);
      if (match == Cursor::Match::kYes) return End();
      if (match == Cursor::Match::kPart) return State::kMore;
    }
    const char c = cursor.front();
    if (c == '{' && list_ != List::kClosed) {
      object_next = true;
      return State::kMore;
    }
    if (c == '[' && list_ == List::kNone && !any_) {
      list_ = List::kOpen;
    } else if (c == ']' && list_ == List::kOpen && any_) {
      list_ = List::kClosed;
    } else if ((c != ',' && c != ';') || !any_ || list_ == List::kClosed) {
      return End();
    }
    cursor.Skip(1);
  }
}

}  // namespace quire
