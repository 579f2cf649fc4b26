// reply/call_section.h -- reads a stretch of an answer that holds tool calls.
//
// A section begins behind its opening mark. It may hold several calls; it ends with its closing
// mark, or where something comes that is no call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "reply/call_sink.h"
#include "reply/cursor.h"

namespace quire {

class CallSection {
 public:
  enum class State : uint8_t {
    kMore,    // wants more text
    kOver,    // no call is open; what was not taken is something else
    kBroken,  // what was taken since the last call ended is no call; what was not, something else
  };

  virtual ~CallSection() = default;
  // Takes what it understands. With `cursor.last()` never kMore.
  virtual State Read(Cursor& cursor, CallSink& sink) = 0;
};

using MakeCallSection = std::function<std::unique_ptr<CallSection>()>;

}  // namespace quire
