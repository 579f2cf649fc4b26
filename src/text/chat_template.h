// text/chat_template.h -- turns a conversation into the text that a model was trained to read.
//
// A chat template is a Jinja program that comes with the model. It is rendered exactly as Python's
// jinja2 renders it when the `transformers` library sets it up: the same text, and an error in the
// same cases.
//
// Hostile  a template may come from anywhere: rendering has no access to files, clock (the time is
//          an argument), network or memory beyond RenderOptions, and always ends.
// Threads  Parse and Render may run on any thread; one ChatTemplate may render on many at once.
// Errors   kInvalidArgument, "chat template line 12: ...": a syntax error (Parse), raise_exception
//          with its text, a mistake in the template, or a limit of RenderOptions (Render).
// Cost     Parse O(source); Render copies `input` once and is linear in the steps it takes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/result.h"

namespace quire {

namespace jinja {
class Template;
}

// What one rendering may use. The defaults are far beyond any real template.
struct RenderOptions {
  uint64_t max_steps = 2'000'000;  // nodes evaluated plus items iterated
  uint32_t max_depth = 1200;       // statements, expressions and calls inside each other
  size_t max_output_bytes = size_t{16} << 20;   // the text returned
  size_t max_memory_bytes = size_t{512} << 20;  // all values ever made, freed or not
  // The local wall-clock time that strftime_now() shows; the machine's when empty.
  std::optional<std::chrono::local_seconds> now;
};

class ChatTemplate {
 public:
  static Result<ChatTemplate> Parse(std::string source);

  // `input` is an object with the template's variables: messages, tools, documents, bos_token,
  // eos_token, add_generation_prompt, ... A variable that should be absent must not be there: null
  // is Python's None, which is not the same. The order of keys reaches the text, hence
  // ordered_json.
  Result<std::string> Render(const nlohmann::ordered_json& input,
                             const RenderOptions& options = {}) const;

  const std::string& source() const { return source_; }

 private:
  ChatTemplate(std::shared_ptr<const jinja::Template> program, std::string source);
  std::shared_ptr<const jinja::Template> program_;
  std::string source_;
};

}  // namespace quire
