#include "text/chat_template.h"

#include <ctime>

#include "text/jinja/template.h"

namespace quire {
namespace {

std::chrono::local_seconds LocalNow() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  return std::chrono::local_seconds{std::chrono::seconds{now + parts.tm_gmtoff}};
}

}  // namespace

ChatTemplate::ChatTemplate(std::shared_ptr<const jinja::Template> program, std::string source)
    : program_(std::move(program)), source_(std::move(source)) {}

Result<ChatTemplate> ChatTemplate::Parse(std::string source) {
  QUIRE_TRY(auto program, jinja::Template::Parse(source));
  return ChatTemplate(std::move(program), std::move(source));
}

Result<std::string> ChatTemplate::Render(const nlohmann::ordered_json& input,
                                         const RenderOptions& options) const {
  const jinja::Limits limits{options.max_steps, options.max_depth, options.max_output_bytes,
                             options.max_memory_bytes};
  return program_->Render(input, limits, options.now.value_or(LocalNow()));
}

}  // namespace quire
