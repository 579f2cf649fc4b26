// bench/kv_divergence.cc -- how far each KV format leads a model away from f16 keys and values.
//
//   build/release/bench/kv_divergence MODEL.gguf TEXT... [--tokens N] [--context N] [--served]
//
// Reads the texts one after another, in pieces of --context tokens, once per format, and prints of
// each format: mean and largest Kullback-Leibler divergence of the next-token distributions from
// those of f16, how often the likeliest token is the same, and the bytes of a token's KV. The same
// texts give the same figures on every machine (law 2). docs/decisions.md says what follows.
//
// Everything but the KV is computed in float32, so that only the format is measured. With --served
// it is as served: int8 activations round differently after the slightest change, which alone gives
// what the line of f32 shows, and no format can be nearer to f16 than that.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "base/machine.h"
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
  uint32_t tokens = 4096;
  uint32_t context = 2048;
  bool served = false;
};

struct Divergence {
  KvFormat format;
  uint64_t tokens = 0;
  uint64_t same_top = 0;
  double sum = 0;
  double largest = 0;
};

// log(sum(exp(x))).
double LogSumExp(std::span<const float> x) {
  const double max = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (const float one : x) sum += std::exp(one - max);
  return max + std::log(sum);
}

void Compare(std::span<const float> reference, std::span<const float> other, Divergence* into) {
  const double reference_log = LogSumExp(reference);
  const double other_log = LogSumExp(other);
  double divergence = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    const double p = reference[i] - reference_log;
    divergence += std::exp(p) * (p - (other[i] - other_log));
  }
  const auto top = [](std::span<const float> x) {
    return std::max_element(x.begin(), x.end()) - x.begin();
  };
  ++into->tokens;
  into->same_top += top(reference) == top(other);
  into->sum += divergence;
  into->largest = std::max(into->largest, divergence);
}

std::string ReadAll(const std::vector<std::string>& paths) {
  std::string all;
  for (const std::string& path : paths) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      fmt::print(stderr, "cannot read {}\n", path);
      std::exit(1);
    }
    all.append(std::istreambuf_iterator<char>(file), {});
  }
  return all;
}

template <typename T>
T OrDie(Result<T> result) {
  if (!result) {
    fmt::print(stderr, "{}\n", result.error().message);
    std::exit(1);
  }
  return std::move(*result);
}

// Reads one piece of text in all formats side by side.
class Piece {
 public:
  Piece(const Model& model, WorkerPool& pool, uint32_t context,
        std::vector<Divergence>& divergences)
      : vocab_(model.config().vocab_size), divergences_(divergences) {
    const ForwardLimits limits{
        .max_tokens = kChunk, .max_logit_rows = kChunk, .max_context = context};
    reference_ = std::make_unique<SingleSequence>(model, pool,
                                                  SingleSequence::Options{KvFormat::kF16, limits});
    for (const Divergence& one : divergences) {
      others_.push_back(std::make_unique<SingleSequence>(
          model, pool, SingleSequence::Options{one.format, limits}));
    }
  }

  void Read(std::span<const TokenId> tokens) {
    reference_->Truncate(0);
    for (auto& other : others_) other->Truncate(0);
    while (!tokens.empty()) {
      const auto chunk = tokens.first(std::min<size_t>(kChunk, tokens.size()));
      tokens = tokens.subspan(chunk.size());
      ReadChunk(chunk);
    }
  }

 private:
  void ReadChunk(std::span<const TokenId> chunk) {
    const auto rows = static_cast<uint32_t>(chunk.size());
    const auto expected = reference_->Append(chunk, rows);
    for (size_t i = 0; i < others_.size(); ++i) {
      const auto got = others_[i]->Append(chunk, rows);
      for (size_t row = 0; row < rows; ++row) {
        Compare(expected.subspan(row * vocab_, vocab_), got.subspan(row * vocab_, vocab_),
                &divergences_[i]);
      }
    }
  }

  const size_t vocab_;
  std::vector<Divergence>& divergences_;
  std::unique_ptr<SingleSequence> reference_;
  std::vector<std::unique_ptr<SingleSequence>> others_;
};

Arguments Parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool more = i + 1 < argc;
    if (word == "--tokens" && more) {
      arguments.tokens = static_cast<uint32_t>(std::stoul(argv[++i]));
    } else if (word == "--context" && more) {
      arguments.context = static_cast<uint32_t>(std::stoul(argv[++i]));
    } else if (word == "--served") {
      arguments.served = true;
    } else if (arguments.model.empty()) {
      arguments.model = word;
    } else {
      arguments.texts.push_back(word);
    }
  }
  if (arguments.texts.empty() || arguments.context == 0) {
    fmt::print(stderr,
               "usage: kv_divergence MODEL.gguf TEXT... [--tokens N] [--context N] [--served]\n");
    std::exit(2);
  }
  return arguments;
}

void Main(const Arguments& arguments) {
  WorkerPool pool(UsableCores());
  const auto file = std::make_shared<const GgufFile>(OrDie(GgufFile::Open(arguments.model)));
  const auto tokenizer = OrDie(Tokenizer::Create(*file));
  LoadOptions load;
  load.precision = arguments.served ? Precision::kQuantised : Precision::kFloat32;
  const auto model = OrDie(Model::Load(file, load, pool));
  std::vector<TokenId> tokens = tokenizer->Encode(ReadAll(arguments.texts), {});
  tokens.resize(std::min<size_t>(tokens.size(), arguments.tokens));
  std::vector<Divergence> divergences;
  for (const KvFormat format : {KvFormat::kF32, KvFormat::kK16V8, KvFormat::kQ8}) {
    divergences.push_back({.format = format});
  }
  Piece piece(*model, pool, arguments.context, divergences);
  for (std::span<const TokenId> rest = tokens; !rest.empty();) {
    const auto part = rest.first(std::min<size_t>(arguments.context, rest.size()));
    rest = rest.subspan(part.size());
    piece.Read(part);
  }
  fmt::print("{}, {}: {} tokens in pieces of {}\n", model->config().name,
             arguments.served ? "as served" : "in float32", tokens.size(), arguments.context);
  for (const Divergence& one : divergences) {
    const auto count = static_cast<double>(one.tokens);
    fmt::print("{:<6} mean KLD {:.6f}  largest {:.4f}  same top token {:.2f} %  {} bytes a token\n",
               KvFormatName(one.format), one.sum / count, one.largest,
               100.0 * static_cast<double>(one.same_top) / count,
               model->kv_shape(one.format).block_bytes() / kBlockTokens);
  }
}

}  // namespace
}  // namespace quire

int main(int argc, char** argv) { quire::Main(quire::Parse(argc, argv)); }
