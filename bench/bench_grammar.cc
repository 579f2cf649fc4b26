// bench/bench_grammar.cc -- what structured output costs: compiling, the first masks, each token.
//
// Vocabularies of real models where they are (QUIRE_MODEL_FOLDER, default the cache): SmolLM2 has
// 49,152 tokens, Qwen 2.5 151,936.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/token_trie_of.h"
#include "gguf/gguf_file.h"
#include "grammar/grammar_cache.h"
#include "grammar/source/json_schema.h"
#include "text/tokenizer.h"

namespace quire {
namespace {

const nlohmann::ordered_json& ToolSchema() {
  static const auto schema = nlohmann::ordered_json::parse(R"json({
    "type": "object", "additionalProperties": false,
    "required": ["location", "unit", "days", "fields", "contact"],
    "properties": {
      "location": {"type": "object", "additionalProperties": false,
        "properties": {"city": {"type": "string", "maxLength": 80},
                       "country": {"type": "string", "pattern": "^[A-Z]{2}$"},
                       "latitude": {"type": "number", "minimum": -90, "maximum": 90},
                       "longitude": {"type": "number", "minimum": -180, "maximum": 180}},
        "required": ["city"]},
      "unit": {"type": "string", "enum": ["celsius", "fahrenheit", "kelvin"]},
      "days": {"type": "integer", "minimum": 1, "maximum": 14},
      "since": {"type": "string", "format": "date-time"},
      "fields": {"type": "array", "minItems": 1, "maxItems": 10, "items":
        {"type": "string", "enum": ["temperature", "wind", "rain", "humidity", "pressure"]}},
      "contact": {"anyOf": [{"type": "null"}, {"type": "object",
        "properties": {"name": {"type": "string"}, "email": {"type": "string", "format": "email"}},
        "required": ["name", "email"], "additionalProperties": false}]},
      "notes": {"type": "array", "items": {"type": "object",
        "properties": {"title": {"type": "string"}, "text": {"type": "string"},
                       "important": {"type": "boolean"}},
        "required": ["title", "text"]}}}})json");
  return schema;
}

std::shared_ptr<const TokenTrie> TrieOf(const std::string& name) {
  const char* const given = std::getenv("QUIRE_MODEL_FOLDER");
  const char* const home = std::getenv("HOME");
  const std::string folder =
      given != nullptr ? given : std::string(home != nullptr ? home : "") + "/.cache/quire/models";
  const auto file = GgufFile::Open(folder + "/" + name + ".gguf");
  if (!file) return nullptr;
  const auto tokenizer = Tokenizer::Create(*file);
  return tokenizer ? TokenTrieOf(**tokenizer) : nullptr;
}

Result<Part> AddToolSchema(Parts& parts) { return AddJsonSchema(parts, ToolSchema()); }

std::shared_ptr<const Grammar> CompileToolSchema(const std::shared_ptr<const TokenTrie>& trie) {
  Parts parts;
  return *Grammar::Compile(parts, *AddToolSchema(parts), trie);
}

void Compile(benchmark::State& state, const std::shared_ptr<const TokenTrie>& trie) {
  size_t states = 0;
  for (auto _ : state) states = CompileToolSchema(trie)->num_states();
  state.counters["states"] = static_cast<double>(states);
}

void FindCompiled(benchmark::State& state, const std::shared_ptr<const TokenTrie>& trie) {
  GrammarCache cache(trie);
  for (auto _ : state) {
    benchmark::DoNotOptimize(cache.Get("schema\n" + ToolSchema().dump(), AddToolSchema));
  }
}

// The state inside the first string of a new grammar: the most expensive mask there is.
void FirstMaskInString(benchmark::State& state, const std::shared_ptr<const TokenTrie>& trie) {
  std::vector<uint64_t> mask(trie->num_words());
  for (auto _ : state) {
    state.PauseTiming();
    GrammarState inside(CompileToolSchema(trie));
    for (const char c : std::string_view("{\"location\":{\"city\":\"a")) {
      for (TokenId token = 0; token < static_cast<TokenId>(trie->vocab_size()); ++token) {
        if (trie->TextOf(token) == std::string_view(&c, 1) && inside.Advance(token)) break;
      }
    }
    state.ResumeTiming();
    inside.FillMask(mask);
  }
}

// Random answers to one grammar: a mask and a step per token, its masks mostly met before.
void Tokens(benchmark::State& state, const std::shared_ptr<const TokenTrie>& trie) {
  const auto grammar = CompileToolSchema(trie);
  std::vector<uint64_t> mask(trie->num_words());
  GrammarState at(grammar);
  uint64_t random = 1;
  uint32_t taken = 0;
  for (auto _ : state) {
    at.FillMask(mask);
    TokenId token = kNoToken;
    while (token == kNoToken) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      const size_t first = random >> 40;
      for (size_t i = 0; i < mask.size() && token == kNoToken; ++i) {
        const uint64_t word = mask[(first + i) % mask.size()];
        if (word != 0) {
          token = static_cast<TokenId>((first + i) % mask.size() * 64 +
                                       static_cast<size_t>(std::countr_zero(word)));
        }
      }
    }
    if (trie->IsEnd(token) || !at.Advance(token) || at.finished() || ++taken % 500 == 0) {
      at = GrammarState(grammar);
    }
  }
}

void Register(const std::string& model) {
  const auto trie = TrieOf(model);
  if (!trie) return;
  const auto add = [&](const char* name, auto function) {
    benchmark::RegisterBenchmark((std::string(name) + "/" + model).c_str(), function, trie)
        ->Unit(benchmark::kMicrosecond);
  };
  add("compile", Compile);
  add("find_compiled", FindCompiled);
  add("first_mask_in_string", FirstMaskInString);
  add("token", Tokens);
}

}  // namespace
}  // namespace quire

int main(int argc, char** argv) {
  for (const char* model : {"smollm2-135m", "qwen2.5-coder-1.5b"}) quire::Register(model);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
