#include "text/jinja/template.h"

#include <new>

#include "text/jinja/binder.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/lexer.h"
#include "text/jinja/parser.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/json.h"
#include "text/jinja/python/meter.h"
#include "text/jinja/python/unicode.h"

namespace quire::jinja {
namespace {

// One line: a message may quote the template author's own, longer words.
std::unexpected<Error> RefuseAt(const TemplateError& error) {
  const std::string where =
      error.line() > 0 ? "chat template line " + std::to_string(error.line()) : "chat template";
  return Refuse(ErrorCode::kInvalidArgument, where + ": " + error.what());
}

}  // namespace

Template::Template() = default;
Template::~Template() = default;

Result<std::shared_ptr<const Template>> Template::Parse(const std::string& source) {
  try {
    std::shared_ptr<Template> result(new Template);
    Program program = Bind(Parser(Tokenize(source)).Parse());
    result->program_ = std::make_unique<const Program>(std::move(program));
    return result;
  } catch (const TemplateError& error) {
    return RefuseAt(error);
  }
}

Result<std::string> Template::Render(const nlohmann::ordered_json& input, const Limits& limits,
                                     std::chrono::local_seconds now) const {
  if (!input.is_object()) {
    return Refuse(ErrorCode::kInvalidArgument, "a chat template needs an object of variables");
  }
  Meter meter({limits.steps, limits.memory_bytes, limits.depth});
  const MeterScope scope(meter);
  try {
    Interpreter interpreter(*program_, FromJson(input), {limits.output_bytes, now});
    std::string text = interpreter.Run();
    if (HasSurrogate(text)) {
      return Refuse(ErrorCode::kInvalidArgument,
                    "chat template: the text has half a surrogate pair");
    }
    return text;
  } catch (const TemplateError& error) {
    return RefuseAt(error);
  } catch (const std::bad_alloc&) {
    return Refuse(ErrorCode::kInvalidArgument, "chat template: out of memory");
  }
}

}  // namespace quire::jinja
