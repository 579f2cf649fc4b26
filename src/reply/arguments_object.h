// reply/arguments_object.h -- reads arguments whose function was named before them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "reply/call_sink.h"
#include "reply/cursor.h"
#include "reply/json_scan.h"

namespace quire {

class ArgumentsObject {
 public:
  enum class State : uint8_t { kMore, kDone, kBad };

  // Reads a JSON object, tells its beginning as the call's. kMore only at the end of the text.
  State Read(Cursor& cursor, std::string_view name, CallSink& sink) {
    JsonScan::Step step = JsonScan::Step::kMore;
    std::string piece;
    while (step == JsonScan::Step::kMore && !cursor.empty()) {
      const char c = cursor.front();
      if (!begun_ && !IsJsonSpace(c) && c != '{') return State::kBad;
      cursor.Skip(1);
      if (!begun_ && c == '{') {
        begun_ = true;
        sink.Begin(name);
      }
      if (!begun_) continue;
      step = scan_.Take(c, piece);
      if (step == JsonScan::Step::kBad) cursor.Back(1);
    }
    if (!piece.empty()) sink.Arguments(piece);
    if (step == JsonScan::Step::kBad) return State::kBad;
    if (step == JsonScan::Step::kMore) return State::kMore;
    sink.End();
    return State::kDone;
  }

 private:
  JsonScan scan_;
  bool begun_ = false;
};

}  // namespace quire
