// bench/error_budget.cc -- what int8 activations and each KV format cost in accuracy.
//
//   build/release/bench/error_budget MODEL.gguf TEXT... [--tokens N] [--context N] [--json]
//
// Reads the texts in pieces of --context tokens: once with everything in float32 (weights as the
// file has them), once per KV format as served. Prints of each the mean negative log-likelihood of
// the next token, its change, the mean Kullback-Leibler divergence from float32, and how often the
// likeliest token is the same. The same texts give the same figures on every machine (law 2).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/machine.h"
#include "base/worker_pool.h"
#include "gguf/gguf_file.h"
#include "model/model.h"
#include "model/single_sequence.h"
#include "text/tokenizer.h"

namespace quire {
namespace {

constexpr uint32_t kChunk = 64;  // tokens of a pass, each with its logits

struct Arguments {
  std::string model;
  std::vector<std::string> texts;
  uint32_t tokens = 2048;
  uint32_t context = 1024;
  bool json = false;
};

// Sums over the tokens read.
struct Error {
  std::string name;
  uint64_t tokens = 0;
  uint64_t same_top = 0;
  double nll = 0;
  double divergence = 0;
};

template <typename T>
T OrExit(Result<T> result) {
  if (result) return std::move(*result);
  fmt::print(stderr, "error_budget: {}\n", result.error().message);
  std::exit(1);
}

double LogSumExp(std::span<const float> logits) {
  const double max = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - max);
  return max + std::log(sum);
}

double Divergence(std::span<const float> reference, std::span<const float> other) {
  const double reference_norm = LogSumExp(reference);
  const double other_norm = LogSumExp(other);
  double sum = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    const double log_p = reference[i] - reference_norm;
    sum += std::exp(log_p) * (log_p - (other[i] - other_norm));
  }
  return sum;
}

void Score(std::span<const float> reference, std::span<const float> logits, TokenId next,
           Error& error) {
  ++error.tokens;
  error.nll += LogSumExp(logits) - logits[static_cast<size_t>(next)];
  error.divergence += Divergence(reference, logits);
  error.same_top += std::ranges::max_element(reference) - reference.begin() ==
                    std::ranges::max_element(logits) - logits.begin();
}

// One way of computing: a model in one precision with a sequence in one KV format.
struct Way {
  Error error;
  std::unique_ptr<SingleSequence> sequence;
};

// Scores `piece` chunk by chunk; the first way is the reference.
void Read(std::span<const TokenId> piece, uint32_t vocab_size, std::vector<Way>& ways) {
  for (Way& way : ways) way.sequence->Truncate(0);
  std::vector<float> reference;
  for (size_t done = 0; done + 1 < piece.size(); done += kChunk) {
    const auto chunk = piece.subspan(done, std::min<size_t>(kChunk, piece.size() - done));
    const auto rows = static_cast<uint32_t>(chunk.size());
    for (Way& way : ways) {
      const std::span<const float> logits = way.sequence->Append(chunk, rows);
      if (&way == &ways[0]) reference.assign(logits.begin(), logits.end());
      for (uint32_t i = 0; i < rows && done + i + 1 < piece.size(); ++i) {
        const size_t row = size_t{i} * vocab_size;
        Score(std::span(reference).subspan(row, vocab_size), logits.subspan(row, vocab_size),
              piece[done + i + 1], way.error);
      }
    }
  }
}

std::vector<TokenId> Tokens(const Arguments& arguments, const Tokenizer& tokenizer) {
  std::vector<TokenId> tokens;
  for (const std::string& path : arguments.texts) {
    std::ifstream file(path);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    const std::vector<TokenId> more = tokenizer.Encode(text, {});
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  tokens.resize(std::min<size_t>(tokens.size(), arguments.tokens));
  return tokens;
}

void PrintTable(const std::vector<Way>& ways) {
  const double reference = ways[0].error.nll;
  fmt::print("{:<12}{:>10}{:>10}{:>12}{:>10}   ({} tokens)\n", "", "NLL", "change", "divergence",
             "same top", ways[0].error.tokens);
  for (const Way& way : ways) {
    const double count = static_cast<double>(way.error.tokens);
    fmt::print("{:<12}{:>10.5f}{:>9.3f}%{:>12.5f}{:>9.2f}%\n", way.error.name,
               way.error.nll / count, 100 * (way.error.nll / reference - 1),
               way.error.divergence / count, 100 * static_cast<double>(way.error.same_top) / count);
  }
}

void PrintJson(const std::vector<Way>& ways) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const Way& way : ways) {
    const double count = static_cast<double>(way.error.tokens);
    json.push_back({{"name", way.error.name},
                    {"tokens", way.error.tokens},
                    {"nll", way.error.nll / count},
                    {"divergence", way.error.divergence / count},
                    {"same_top", static_cast<double>(way.error.same_top) / count}});
  }
  fmt::print("{}\n", json.dump());
}

int Run(const Arguments& arguments) {
  WorkerPool pool(UsableCores());
  auto file = std::make_shared<const GgufFile>(OrExit(GgufFile::Open(arguments.model)));
  const auto tokenizer = OrExit(Tokenizer::Create(*file));
  const auto exact = OrExit(Model::Load(file, {.precision = Precision::kFloat32}, pool));
  const auto served = OrExit(Model::Load(file, {}, pool));
  const ForwardLimits limits{
      .max_tokens = kChunk, .max_logit_rows = kChunk, .max_context = arguments.context};
  std::vector<Way> ways;
  const auto add = [&](std::string name, const Model& model, KvFormat format) {
    ways.push_back({.error = {.name = std::move(name)},
                    .sequence = std::make_unique<SingleSequence>(
                        model, pool, SingleSequence::Options{.format = format, .limits = limits})});
  };
  add("float32", *exact, KvFormat::kF32);
  for (const KvFormat format : {KvFormat::kF16, KvFormat::kQ8, KvFormat::kK16V8}) {
    add("int8, " + std::string(KvFormatName(format)), *served, format);
  }
  const std::vector<TokenId> tokens = Tokens(arguments, *tokenizer);
  for (size_t done = 0; done + 1 < tokens.size(); done += arguments.context) {
    const size_t count = std::min<size_t>(arguments.context, tokens.size() - done);
    Read(std::span(tokens).subspan(done, count), exact->config().vocab_size, ways);
  }
  if (ways[0].error.tokens == 0) {
    fmt::print(stderr, "error_budget: the texts hold fewer than two tokens\n");
    return 1;
  }
  arguments.json ? PrintJson(ways) : PrintTable(ways);
  return 0;
}

std::optional<Arguments> Parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--json") {
      arguments.json = true;
    } else if ((argument == "--tokens" || argument == "--context") && i + 1 < argc) {
      const int value = std::atoi(argv[++i]);
      if (value < 2) return std::nullopt;
      (argument == "--tokens" ? arguments.tokens : arguments.context) =
          static_cast<uint32_t>(value);
    } else if (argument.starts_with("-")) {
      return std::nullopt;
    } else if (arguments.model.empty()) {
      arguments.model = argument;
    } else {
      arguments.texts.push_back(argument);
    }
  }
  if (arguments.texts.empty()) return std::nullopt;
  return arguments;
}

}  // namespace
}  // namespace quire

int main(int argc, char** argv) {
  const auto arguments = quire::Parse(argc, argv);
  if (!arguments) {
    std::fputs("usage: error_budget MODEL.gguf TEXT... [--tokens N] [--context N] [--json]\n",
               stderr);
    return 2;
  }
  return quire::Run(*arguments);
}
