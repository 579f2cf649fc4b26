// server/ready_model.h -- a model with everything a request needs to be turned into work for it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/token_trie_of.h"
#include "grammar/grammar_cache.h"
#include "reply/reply_format.h"
#include "server/openai/prompt_encoder.h"
#include "server/server.h"
#include "text/chat_template.h"

namespace quire {

// In hex, over the pieces of all ids.
std::string VocabularyDigest(const Tokenizer& tokenizer);

struct ReadyModel {
  // `reply_format`: instead of what the chat template teaches.
  ReadyModel(ServedModel served, std::vector<std::string> model_names,
             std::optional<ReplyFormat> reply_format = std::nullopt)
      : engine(std::move(served.engine)),
        tokenizer(std::move(served.tokenizer)),
        given_format(reply_format),
        chat_template(served.chat_template ? served.chat_template->source() : std::string()),
        taught_format(DetectReplyFormat(chat_template)),
        grammars(std::make_shared<GrammarCache>([of = tokenizer] { return TokenTrieOf(*of); })),
        encoder(tokenizer, std::move(served.chat_template), std::move(served.chat_template_error),
                engine->context_tokens()),
        names(std::move(model_names)),
        plan(std::move(served.plan)),
        attention(std::move(served.attention)),
        vocabulary(VocabularyDigest(*tokenizer)) {}

  std::shared_ptr<Engine> engine;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::optional<ReplyFormat> given_format;
  std::string chat_template;  // its source; empty without one
  ReplyFormat taught_format;
  std::shared_ptr<GrammarCache> grammars;  // that requests asked for
  PromptEncoder encoder;
  std::vector<std::string> names;  // the first is its own; "*" stands for any
  std::function<Result<std::string>(const std::string& query)> plan;  // null: there is none
  AttentionSight attention;

  std::string vocabulary;  // digest of all its tokens: equal, if ids mean the same

  // How answers are to be read. Where the template knows no tools, they are described to the model
  // in the format hermes.
  ReplyFormat FormatFor(bool with_tools) const {
    if (given_format) return *given_format;
    return with_tools && !encoder.traits().shows_tools ? ReplyFormat::kHermes : taught_format;
  }

  // The name to answer under; kNotFound for a model that is not served here.
  Result<std::string> NameFor(const std::string& asked) const {
    if (asked.empty()) return names.front();
    for (const std::string& name : names) {
      if (name == asked || name == "*") return asked;
    }
    return Refuse(ErrorCode::kNotFound,
                  "model '" + asked + "' is not served here; this is '" + names.front() + "'",
                  "model");
  }
};

}  // namespace quire
