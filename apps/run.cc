// quire run: one answer to stdout, for scripts.
#include <fmt/format.h>

#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <variant>

#include "apps/command.h"
#include "apps/engine_flags.h"
#include "apps/exit_code.h"

namespace quire {
namespace {

struct RunFlags {
  EngineFlags engine;
  std::string prompt;
  bool chat = false;
  bool logit_hash = false;
  bool ignore_eos = false;
  uint32_t max_tokens = 128;
  SamplingParams sampling;
  bool has_seed = false;
};

Result<std::vector<TokenId>> MakePrompt(const RunFlags& flags, const RunningModel& running) {
  const Tokenizer& tokenizer = *running.tokenizer;
  if (!flags.chat) return tokenizer.Encode(flags.prompt, {.add_special = true});
  if (running.chat_template == nullptr) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "this model has no chat template: leave --chat out and write the whole prompt");
  }
  nlohmann::ordered_json input;
  input["messages"] = {{{"role", "user"}, {"content", flags.prompt}}};
  input["add_generation_prompt"] = true;
  if (tokenizer.bos() != kNoToken) input["bos_token"] = tokenizer.Piece(tokenizer.bos());
  if (tokenizer.eos() != kNoToken) input["eos_token"] = tokenizer.Piece(tokenizer.eos());
  QUIRE_TRY(const std::string text, running.chat_template->Render(input));
  return tokenizer.Encode(text, {.parse_special = true});
}

// Writes the answer as it comes; returns the exit code.
int Print(EventQueue& events, bool logit_hash) {
  while (true) {
    const Event event = events.WaitPop();
    if (const auto* token = std::get_if<TokenEvent>(&event)) {
      std::cout << token->text << std::flush;
    } else if (const auto* end = std::get_if<ChoiceEndEvent>(&event)) {
      std::cout << end->text << std::endl;
      if (logit_hash) std::cout << "logit_hash " << end->logit_hash << std::endl;
    } else if (const auto* done = std::get_if<DoneEvent>(&event)) {
      return done->error ? Fail(*done->error) : kExitFine;
    }
  }
}

int Run(const RunFlags& flags) {
  auto running = StartModel(flags.engine);
  if (!running) return Fail(running.error(), kExitModel);
  auto prompt = MakePrompt(flags, *running);
  if (!prompt) return Fail(prompt.error());
  if (prompt->empty()) {
    return Fail({ErrorCode::kInvalidArgument, "the prompt has no tokens; give text with -p", "p"});
  }
  GenerationRequest request;
  request.prompt = *std::move(prompt);
  request.sampling = flags.sampling;
  if (!flags.has_seed) request.sampling.seed = std::random_device()();
  request.max_tokens = flags.max_tokens;
  request.ignore_eos = flags.ignore_eos;
  request.return_logit_hash = flags.logit_hash;
  auto events = std::make_shared<EventQueue>();
  auto id = running->engine->Submit(std::move(request), events);
  if (!id) return Fail(id.error());
  return Print(*events, flags.logit_hash);
}

}  // namespace

Command AddRun(CLI::App& parent) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* app = parent.add_subcommand(
      "run",
      "One answer to stdout, for scripts.\n\n"
      "Examples:\n"
      "  quire run model.gguf -p 'The capital of France is' -n 8 --temperature 0\n"
      "  quire run model.gguf --chat -p 'Name three rivers.' --seed 7");
  app->add_option("model", flags->engine.model, "GGUF file")->required()->type_name("MODEL.gguf");
  app->add_option("-p,--prompt", flags->prompt, "the prompt")->required();
  app->add_flag("--chat", flags->chat, "send the prompt as a chat message");
  app->add_option("-n,--max-tokens", flags->max_tokens, "most tokens to generate")
      ->check(CLI::Range(1u, 1u << 24))
      ->capture_default_str();
  app->add_option("--temperature", flags->sampling.temperature, "0: always the likeliest token")
      ->check(CLI::Range(0.0f, 100.0f))
      ->capture_default_str();
  app->add_option("--top-p", flags->sampling.top_p, "keep the likeliest tokens up to this sum")
      ->check(CLI::Range(0.0f, 1.0f))
      ->capture_default_str();
  app->add_option("--top-k", flags->sampling.top_k, "keep this many tokens; 0: all")
      ->capture_default_str();
  CLI::Option* seed =
      app->add_option("--seed", flags->sampling.seed, "the same seed gives the same answer");
  app->add_flag("--ignore-eos", flags->ignore_eos, "go on after an end token");
  app->add_flag("--logit-hash", flags->logit_hash,
                "print the hash of all logits the answer was chosen from");
  AddModelFlags(*app, flags->engine);
  return {app, [flags, seed] {
            flags->has_seed = seed->count() > 0;
            return Run(*flags);
          }};
}

}  // namespace quire
