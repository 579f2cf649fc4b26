#include "server/openai/tools/template_traits.h"

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace quire {
namespace {

constexpr std::string_view kToolWord = "quire_probe_tool";
constexpr std::string_view kKeyWord = "quire_probe_key";
constexpr std::string_view kResultWord = "quire_probe_result";
constexpr std::string_view kSystemWord = "quire_probe_system";

Json User() { return {{"role", "user"}, {"content", "Hello"}}; }

Json ToolList() {
  const Json parameters = {{"type", "object"},
                           {"properties", {{"a", {{"type", "string"}}}}},
                           {"required", Json::array({"a"})}};
  const Json function = {
      {"name", kToolWord}, {"description", "A probe."}, {"parameters", parameters}};
  return Json::array({{{"type", "function"}, {"function", function}}});
}

// One way of writing a call and its result.
struct Form {
  bool text_arguments = false;
  bool null_content = false;
  bool short_ids = false;
};

Json CallMessages(const Form& form) {
  const Json arguments = {{kKeyWord, "v"}};
  const std::string id = form.short_ids ? "abcdefgh1" : "call_0123456789abcdef";
  const Json function = {{"name", "probe"},
                         {"arguments", form.text_arguments ? Json(arguments.dump()) : arguments}};
  const Json call = {{"id", id}, {"type", "function"}, {"function", function}};
  const Json assistant = {{"role", "assistant"},
                          {"content", form.null_content ? Json() : Json("")},
                          {"tool_calls", Json::array({call})}};
  const Json result = {
      {"role", "tool"}, {"tool_call_id", id}, {"name", "probe"}, {"content", kResultWord}};
  return Json::array({User(), assistant, result});
}

// The arguments came out as JSON (or in a way of the template's own), not as Python or as JSON
// inside JSON.
bool ShowsCall(const std::string& text) {
  const std::string word(kKeyWord);
  return text.find(word) != std::string::npos && text.find("'" + word) == std::string::npos &&
         text.find("\\\"" + word) == std::string::npos &&
         text.find(kResultWord) != std::string::npos;
}

bool Shows(const RenderTemplate& render, Json variables, std::string_view word) {
  const auto text = render(std::move(variables));
  return text && text->find(word) != std::string::npos;
}

}  // namespace

TemplateTraits TemplateTraits::Find(const RenderTemplate& render) {
  TemplateTraits traits;
  const Json system = {{"role", "system"}, {"content", kSystemWord}};
  traits.shows_system = Shows(render, {{"messages", Json::array({system, User()})}}, kSystemWord);
  traits.shows_tools =
      Shows(render, {{"messages", Json::array({User()})}, {"tools", ToolList()}}, kToolWord);
  for (uint32_t bits = 0; bits < 8 && !traits.shows_calls; ++bits) {
    const Form form = {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
    Json variables = {{"messages", CallMessages(form)}};
    if (traits.shows_tools) variables["tools"] = ToolList();
    const auto text = render(std::move(variables));
    if (!text || !ShowsCall(*text)) continue;
    traits.shows_calls = true;
    traits.text_arguments = form.text_arguments;
    traits.null_content = form.null_content;
    traits.short_ids = form.short_ids;
  }
  return traits;
}

}  // namespace quire
