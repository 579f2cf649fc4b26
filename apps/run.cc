// quire run: one answer to stdout, for scripts.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/Option.hpp>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <variant>

#include "apps/command.h"
#include "apps/engine_flags.h"
#include "apps/exit_code.h"
#include "apps/flags/flag_values.h"
#include "server/openai/chat_request.h"
#include "server/openai/prompt_encoder.h"
#include "text/utf8.h"

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
  bool has_prompt = false;
  bool has_max_tokens = false;
  bool has_seed = false;
};

// The prompt of the flag or of stdin, checked.
Result<std::string> ReadPrompt(const RunFlags& flags) {
  const auto refuse = [](std::string why) {
    return Refuse(ErrorCode::kInvalidArgument, std::move(why), "prompt");
  };
  std::string text = flags.prompt;
  if (!flags.has_prompt) {
    if (isatty(STDIN_FILENO) != 0) {
      return refuse("which prompt? Give it with -p TEXT, or on stdin; see `quire run --help`");
    }
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  }
  if (const size_t good = ValidUtf8Prefix(text); good != text.size()) {
    return refuse(fmt::format("byte {} of the prompt is not UTF-8", good));
  }
  if (text.empty()) return refuse("the prompt is empty; give some text with -p");
  return text;
}

Result<std::vector<TokenId>> EncodePrompt(const RunFlags& flags, const std::string& text,
                                          const RunningModel& running) {
  const PromptEncoder encoder(running.tokenizer, running.chat_template,
                              running.chat_template_error);
  if (!flags.chat) return encoder.Text(text, false);
  ChatRequest request;
  request.variables["messages"] = {{{"role", "user"}, {"content", text}}};
  return encoder.Chat(request);
}

// Writes the answer as it comes; returns the exit code. When nobody reads any more, it stops.
int Print(Engine& engine, RequestId id, EventQueue& events, bool logit_hash) {
  while (true) {
    const Event event = events.WaitPop();
    if (const auto* token = std::get_if<TokenEvent>(&event)) {
      fmt::print("{}", token->text);
    } else if (const auto* end = std::get_if<ChoiceEndEvent>(&event)) {
      fmt::print("{}\n", end->text);
      if (logit_hash) fmt::print("logit_hash {}\n", end->logit_hash);
    } else if (const auto* done = std::get_if<DoneEvent>(&event)) {
      return done->error ? Fail(*done->error) : FinishOutput();
    }
    if (const int written = FinishOutput(); written != kExitFine) {
      engine.Cancel(id);
      return written;
    }
  }
}

int Run(const RunFlags& flags) {
  auto text = ReadPrompt(flags);
  if (!text) return Fail(text.error());
  if (flags.chat) {
    auto file = GgufFile::Open(flags.engine.model);
    if (!file) return Fail(file.error(), kExitModel);
    if (Status can = CheckCanChat(*file); !can) return Fail(can.error());
  }
  auto running = StartModel(flags.engine);
  if (!running) return FailToStart(running.error());
  ShowWarning(*running);
  auto prompt = EncodePrompt(flags, *text, *running);
  if (!prompt) return Fail(prompt.error());
  GenerationRequest request;
  request.prompt = *std::move(prompt);
  request.sampling = flags.sampling;
  if (!flags.has_seed) request.sampling.seed = std::random_device()();
  request.max_tokens = flags.max_tokens;
  request.cut_max_tokens = !flags.has_max_tokens;
  request.ignore_eos = flags.ignore_eos;
  request.return_logit_hash = flags.logit_hash;
  auto events = std::make_shared<EventQueue>();
  auto id = running->engine->Submit(std::move(request), events);
  if (!id) return Fail(id.error());
  const int code = Print(*running->engine, *id, *events, flags.logit_hash);
  if (running->changed->load()) return FailToStart(ChangedError(flags.engine.model));
  return code;
}

void AddSamplingFlags(CLI::App& app, SamplingParams& sampling) {
  Real(app.add_option("--temperature", sampling.temperature, "0: always the likeliest token"), 0,
       100)
      ->capture_default_str();
  Real(app.add_option("--top-p", sampling.top_p, "keep the likeliest tokens up to this sum"), 0, 1)
      ->capture_default_str();
  Whole(app.add_option("--top-k", sampling.top_k, "keep this many tokens; 0: all"), 0, 1u << 30)
      ->capture_default_str();
}

}  // namespace

Command AddRun(CLI::App& parent) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* app = parent.add_subcommand("run", "One answer to stdout, for scripts.");
  app->footer(
      "Examples:\n"
      "  quire run model.gguf -p 'The capital of France is' -n 8 --temperature 0\n"
      "  quire run model.gguf --chat -p 'Name three rivers.' --seed 7\n"
      "  quire run model.gguf < prompt.txt");
  app->add_option("MODEL.gguf", flags->engine.model, "the model; of a split one the first part")
      ->required();
  CLI::Option* prompt =
      app->add_option("-p,--prompt", flags->prompt, "the prompt; without it, stdin is read")
          ->type_name("TEXT");
  app->add_flag("--chat", flags->chat, "send the prompt as a chat message");
  CLI::Option* max_tokens =
      Whole(app->add_option("-n,--max-tokens", flags->max_tokens, "most tokens to generate"), 1,
            1u << 24)
          ->capture_default_str();
  AddSamplingFlags(*app, flags->sampling);
  CLI::Option* seed = Whole(app->add_option("--seed", flags->sampling.seed,
                                            "the same seed gives the same answer (default: drawn)"),
                            0, UINT64_MAX);
  app->add_flag("--ignore-eos", flags->ignore_eos, "go on after an end token");
  app->add_flag("--logit-hash", flags->logit_hash,
                "print the hash of all logits the answer was chosen from");
  AddModelFlags(*app, flags->engine);
  return {app, [flags, prompt, max_tokens, seed](const Settings&) {
            flags->has_prompt = prompt->count() > 0;
            flags->has_max_tokens = max_tokens->count() > 0;
            flags->has_seed = seed->count() > 0;
            return Run(*flags);
          }};
}

}  // namespace quire
