// tests/structured/sample_forms.cc -- answers of a model to forms, at random.
//
//   sample_forms MODEL < forms.jsonl > answers.jsonl      MODEL: a GGUF file, or "random"
//
// A line {"schema": ...}, {"regex": "..."} or {"grammar": "..."} in, a line {"text": "...",
// "finished": true} or {"error": "...", "param": "..."} out, in the same order. Temperature 2 and a
// seed per line; QUIRE_MAX_TOKENS (default 300) bounds an answer.
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "base/check.h"
#include "base/worker_pool.h"
#include "engine/engine.h"
#include "engine/token_trie_of.h"
#include "grammar/grammar_cache.h"
#include "grammar/source/ebnf.h"
#include "grammar/source/json_schema.h"
#include "grammar/source/regex.h"
#include "model/model.h"
#include "tests/support/tiny_model.h"

namespace quire {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kKvBytes = uint64_t{256} << 20;
constexpr uint32_t kContext = 1024;
constexpr size_t kAtOnce = 16;

struct Subject {
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Tokenizer> tokenizer;
};

Subject LoadSubject(const std::string& path) {
  static const std::vector<std::byte> tiny = test::MakeTinyModel({.context = kContext});
  auto file = path == "random" ? GgufFile::Parse(tiny) : GgufFile::Open(path);
  QUIRE_CHECK(file, "the model must be there");
  const auto shared = std::make_shared<GgufFile>(std::move(*file));
  WorkerPool pool(2);
  return {std::move(*Model::Load(shared, {}, pool)), std::move(*Tokenizer::Create(*shared))};
}

Result<Part> AddForm(Parts& parts, const Json& line) {
  if (line.contains("regex")) {
    return AddRegex(parts, line["regex"].get<std::string>(), RegexUse::kWhole);
  }
  if (line.contains("grammar")) return AddEbnf(parts, line["grammar"].get<std::string>());
  return AddJsonSchema(parts, line["schema"]);
}

struct Pending {
  std::shared_ptr<EventQueue> events;  // null: refused
  Json answer;
};

void Finish(Pending& pending) {
  std::string text;
  while (pending.events) {
    const Event event = pending.events->WaitPop();
    if (const auto* token = std::get_if<TokenEvent>(&event)) text += token->text;
    if (const auto* end = std::get_if<ChoiceEndEvent>(&event)) {
      text += end->text;
      pending.answer["finished"] = end->reason == FinishReason::kStop;
    }
    if (const auto* done = std::get_if<DoneEvent>(&event)) {
      if (done->error) pending.answer["failed"] = done->error->message;
      break;
    }
  }
  if (pending.events) pending.answer["text"] = text;
  std::cout << pending.answer.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
}

class FormSampler {
 public:
  explicit FormSampler(const std::string& path)
      : subject_(LoadSubject(path)), cache_(TokenTrieOf(*subject_.tokenizer)) {
    EngineOptions options;
    options.kv_memory_bytes = kKvBytes;
    options.context_tokens = kContext;
    const char* const most = std::getenv("QUIRE_MAX_TOKENS");
    if (most != nullptr) max_tokens_ = static_cast<uint32_t>(std::atoi(most));
    engine_ = std::move(*Engine::Create(options, subject_.model, subject_.tokenizer,
                                        std::make_unique<WorkerPool>(2)));
  }

  Pending Ask(const std::string& text) {
    const Json line = Json::parse(text);
    Pending pending;
    auto grammar = cache_.Get(text, [&](Parts& parts) { return AddForm(parts, line); });
    if (!grammar) {
      pending.answer = {{"error", grammar.error().message}, {"param", grammar.error().param}};
      return pending;
    }
    GenerationRequest request;
    request.prompt = subject_.tokenizer->Encode("An answer:");
    request.grammar = *grammar;
    request.max_tokens = max_tokens_;
    request.sampling.temperature = 2;
    request.sampling.seed = ++seed_;
    pending.events = std::make_shared<EventQueue>();
    const auto id = engine_->Submit(std::move(request), pending.events);
    QUIRE_CHECK(id, "the engine takes what it has room for");
    return pending;
  }

 private:
  Subject subject_;
  GrammarCache cache_;
  std::unique_ptr<Engine> engine_;
  uint32_t max_tokens_ = 300;
  uint64_t seed_ = 0;
};

void Run(const std::string& path) {
  FormSampler sampler(path);
  std::deque<Pending> pending;
  for (std::string line; std::getline(std::cin, line);) {
    pending.push_back(sampler.Ask(line));
    if (pending.size() < kAtOnce) continue;
    Finish(pending.front());
    pending.pop_front();
  }
  for (Pending& last : pending) Finish(last);
}

}  // namespace
}  // namespace quire

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: sample_forms MODEL < forms.jsonl > answers.jsonl\n");
    return 2;
  }
  quire::Run(argv[1]);
  return 0;
}
