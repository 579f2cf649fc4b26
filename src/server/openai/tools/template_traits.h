// server/openai/tools/template_traits.h -- what a chat template can do with tools.
//
// Templates differ in whether they know tools, in how they want arguments and ids written, and in
// which roles they take; none says so. So each is shown small conversations with words of its own
// in them, once, and what comes out tells.
//
// Cost  a dozen renderings of a few lines.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "server/openai/json_input.h"

namespace quire {

// Renders variables (messages, tools, ...); refuses what the template refuses.
using RenderTemplate = std::function<Result<std::string>(Json variables)>;

struct TemplateTraits {
  bool shows_tools = false;     // the list of tools reaches the prompt
  bool shows_calls = false;     // calls and their results do
  bool shows_system = false;    // a system message does
  bool text_arguments = false;  // arguments are wanted as JSON in a string, not as an object
  bool null_content = false;    // a message with calls must have no content, not an empty one
  bool short_ids = false;       // ids of calls must be nine letters and digits

  static TemplateTraits Find(const RenderTemplate& render);
};

}  // namespace quire
