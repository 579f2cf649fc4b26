// quire render: what a chat template makes of a conversation.
#include <fmt/format.h>

#include <CLI/Option.hpp>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/command.h"
#include "apps/exit_code.h"
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
  std::ifstream in(path, std::ios::binary);
  if (!in) return Refuse(ErrorCode::kIo, fmt::format("cannot read template file {}", path));
  return std::string(std::istreambuf_iterator<char>(in), {});
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

int Render(const RenderFlags& flags) {
  const std::string body(std::istreambuf_iterator<char>(std::cin), {});
  auto input = nlohmann::ordered_json::parse(body, nullptr, false);
  if (!input.is_object()) {
    return Fail({ErrorCode::kInvalidArgument,
                 "stdin must hold one JSON object such as {\"messages\": [...]}", ""},
                kExitUsage);
  }
  auto source = flags.template_file.empty() ? ReadModelTemplate(flags.model, input)
                                            : ReadTemplateFile(flags.template_file);
  if (!source) return Fail(source.error(), flags.template_file.empty() ? kExitModel : kExitFailed);
  auto chat_template = ChatTemplate::Parse(*std::move(source));
  if (!chat_template) return Fail(chat_template.error(), kExitFailed);
  auto text = chat_template->Render(input);
  if (!text) return Fail(text.error(), kExitFailed);
  std::cout << *text << std::flush;
  return std::cout ? kExitFine : kExitFailed;
}

}  // namespace

Command AddRender(CLI::App& parent) {
  auto flags = std::make_shared<RenderFlags>();
  CLI::App* app = parent.add_subcommand(
      "render",
      "The text that a chat template makes of a request on stdin.\n\n"
      "Example:\n"
      "  echo "
      "'{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"add_generation_prompt\":true}'"
      " \\\n    | quire render model.gguf");
  CLI::Option* model = app->add_option("model", flags->model, "take the template of this GGUF file")
                           ->type_name("MODEL.gguf");
  CLI::Option* file = app->add_option("--template", flags->template_file, "take this Jinja file")
                          ->type_name("FILE");
  file->excludes(model);
  return {app, [flags] {
            if (flags->model.empty() && flags->template_file.empty()) {
              return Fail({ErrorCode::kInvalidArgument,
                           "give a model or --template FILE; see `quire render --help`", ""},
                          kExitUsage);
            }
            return Render(*flags);
          }};
}

}  // namespace quire
