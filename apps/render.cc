// quire render: what a chat template makes of a conversation.
#include <fmt/format.h>

#include <CLI/Option.hpp>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/command.h"
#include "apps/exit_code.h"
#include "base/mapped_file.h"
#include "gguf/gguf_file.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace quire {
namespace {

struct RenderFlags {
  std::string model;
  std::string template_file;
};

Result<std::string> ReadTemplateFile(const std::string& path) {
  QUIRE_TRY(const MappedFile file, MappedFile::Open(path));
  const auto bytes = file.bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// The model's template, and its BOS and EOS texts where the request does not give its own.
Result<std::string> ReadModelTemplate(const std::string& path, nlohmann::ordered_json& input) {
  QUIRE_TRY(GgufFile file, GgufFile::Open(path));
  const auto source = file.GetString("tokenizer.chat_template");
  if (!source) {
    return Refuse(ErrorCode::kUnsupported,
                  fmt::format("{} has no chat template; give one with --template FILE", path));
  }
  QUIRE_TRY(auto tokenizer, Tokenizer::Create(file));
  const auto piece = [&](TokenId id) { return std::string(tokenizer->Piece(id)); };
  if (!input.contains("bos_token") && tokenizer->bos() != kNoToken) {
    input["bos_token"] = piece(tokenizer->bos());
  }
  if (!input.contains("eos_token") && tokenizer->eos() != kNoToken) {
    input["eos_token"] = piece(tokenizer->eos());
  }
  return std::string(*source);
}

Result<nlohmann::ordered_json> ReadRequest() {
  const std::string body(std::istreambuf_iterator<char>(std::cin), {});
  std::string why = "it is another kind of JSON";
  try {
    auto input = nlohmann::ordered_json::parse(body);
    if (input.is_object()) return input;
  } catch (const nlohmann::json::exception& error) {
    why = error.what();
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    if (const size_t name = why.find("] "); name != std::string::npos) why.erase(0, name + 2);
  }
  return Refuse(
      ErrorCode::kInvalidArgument,
      fmt::format("stdin must hold one JSON object such as {{\"messages\": [...]}}: {}", why));
}

int Render(const RenderFlags& flags) {
  auto input = ReadRequest();
  if (!input) return Fail(input.error());
  auto source = flags.template_file.empty() ? ReadModelTemplate(flags.model, *input)
                                            : ReadTemplateFile(flags.template_file);
  if (!source) {
    const bool no_model =
        flags.template_file.empty() && source.error().code != ErrorCode::kUnsupported;
    return Fail(source.error(), no_model ? kExitModel : kExitFailed);
  }
  auto chat_template = ChatTemplate::Parse(*std::move(source));
  if (!chat_template) return Fail(chat_template.error(), kExitFailed);
  auto text = chat_template->Render(*input);
  if (!text) return Fail(text.error(), kExitFailed);
  fmt::print("{}", *text);
  return FinishOutput();
}

}  // namespace

Command AddRender(CLI::App& parent) {
  auto flags = std::make_shared<RenderFlags>();
  CLI::App* app =
      parent.add_subcommand("render", "The text that a chat template makes of a request on stdin.");
  app->footer(
      "Example:\n"
      "  echo '{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}],\n"
      "         \"add_generation_prompt\": true}' | quire render model.gguf");
  app->add_option("MODEL.gguf", flags->model, "take the template of this model");
  app->add_option("--template", flags->template_file, "take this Jinja file instead")
      ->type_name("FILE");
  return {app, [flags](const Settings&) {
            if (flags->model.empty() == flags->template_file.empty()) {
              return Fail({ErrorCode::kInvalidArgument,
                           "give either a model or --template FILE; see `quire render --help`", ""},
                          kExitUsage);
            }
            return Render(*flags);
          }};
}

}  // namespace quire
