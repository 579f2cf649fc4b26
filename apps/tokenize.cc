// quire tokenize: token ids of a text as one JSON list.
#include <fmt/format.h>

#include <CLI/Option.hpp>
#include <iostream>
#include <iterator>
#include <string>

#include "apps/command.h"
#include "apps/exit_code.h"
#include "gguf/gguf_file.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace quire {
namespace {

struct TokenizeFlags {
  std::string model;
  std::string text;
  bool has_text = false;
  bool add_special = false;
  bool parse_special = false;
};

int Tokenize(const TokenizeFlags& flags) {
  auto file = GgufFile::Open(flags.model);
  if (!file) return Fail(file.error(), kExitModel);
  auto tokenizer = Tokenizer::Create(*file);
  if (!tokenizer) return Fail(tokenizer.error(), kExitModel);
  const std::string text =
      flags.has_text ? flags.text : std::string(std::istreambuf_iterator<char>(std::cin), {});
  if (const size_t good = ValidUtf8Prefix(text); good != text.size()) {
    return Fail(
        {ErrorCode::kInvalidArgument, fmt::format("byte {} of the text is not UTF-8", good), ""});
  }
  const auto ids =
      (*tokenizer)
          ->Encode(text, {.add_special = flags.add_special, .parse_special = flags.parse_special});
  std::string out = "[";
  for (TokenId id : ids) out += (out.size() > 1 ? ", " : "") + std::to_string(id);
  fmt::print("{}]\n", out);
  return FinishOutput();
}

}  // namespace

Command AddTokenize(CLI::App& parent) {
  auto flags = std::make_shared<TokenizeFlags>();
  CLI::App* app = parent.add_subcommand("tokenize", "Token ids of a text as one JSON list.");
  app->footer(
      "Examples:\n"
      "  quire tokenize model.gguf --text 'Hello, world!'\n"
      "  quire tokenize model.gguf --parse-special < prompt.txt");
  app->add_option("MODEL.gguf", flags->model, "the model; a file with only a vocabulary will do")
      ->required();
  CLI::Option* text = app->add_option("--text", flags->text, "the text; without it, stdin is read")
                          ->type_name("TEXT");
  app->add_flag("--add-special", flags->add_special,
                "add the begin and end tokens that the model asks for");
  app->add_flag("--parse-special", flags->parse_special,
                "read texts such as <|im_end|> as control tokens");
  return {app, [flags, text](const Settings&) {
            flags->has_text = text->count() > 0;
            return Tokenize(*flags);
          }};
}

}  // namespace quire
