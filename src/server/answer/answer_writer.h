// server/answer/answer_writer.h -- turns the engine's events into an answer of one API.
//
//   Begin -> Take (every event of every prompt) -> End | Break
//
// Each call appends to `out` what is to be sent now: server-sent events of a stream, or nothing
// until End gives the whole body. Break ends a stream that cannot go on; an answer that is not a
// stream is then an error response instead, and nothing is asked of the writer.
//
// Threads  none. Errors: those of the engine are kept until somebody asks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/event.h"

namespace quire {

struct ApiError;

class AnswerWriter {
 public:
  AnswerWriter() = default;
  virtual ~AnswerWriter() = default;
  AnswerWriter(const AnswerWriter&) = delete;
  AnswerWriter& operator=(const AnswerWriter&) = delete;

  virtual void Begin(std::string& out) = 0;
  virtual void Take(uint32_t prompt, Event event, std::string& out) = 0;
  virtual void End(std::string& out) = 0;
  virtual void Break(const ApiError& error, std::string& out) = 0;
  // What a silent stream sends to show that the server is alive.
  virtual std::string_view still_here() const { return ": working\n\n"; }

  virtual bool streams() const = 0;
  virtual bool done() const = 0;
  virtual bool failed() const = 0;
  virtual const Error& error() const = 0;  // only if failed()
  // OpenAI's word for why each choice ended, once done.
  virtual std::vector<std::string_view> finish_reasons() const = 0;
};

}  // namespace quire
