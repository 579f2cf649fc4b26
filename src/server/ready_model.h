// server/ready_model.h -- a model with everything a request needs to be turned into work for it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "server/openai/prompt_encoder.h"
#include "server/server.h"

namespace quire {

struct ReadyModel {
  ReadyModel(ServedModel served, std::vector<std::string> model_names)
      : engine(std::move(served.engine)),
        tokenizer(std::move(served.tokenizer)),
        encoder(tokenizer, std::move(served.chat_template), std::move(served.chat_template_error),
                engine->context_tokens()),
        names(std::move(model_names)) {}

  std::shared_ptr<Engine> engine;
  std::shared_ptr<const Tokenizer> tokenizer;
  PromptEncoder encoder;
  std::vector<std::string> names;  // the first is its own; "*" stands for any

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
