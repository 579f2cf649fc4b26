// tests/model/golden_logits.h -- reference logits of real models, and where the models lie.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/token_id.h"
#include "model/model.h"

namespace quire::test {

struct GoldenGreedy {
  std::vector<TokenId> ids;
  std::vector<float> margins;
  std::vector<float> logprobs;
};

// Of every position of the prompt `long`.
struct GoldenPositions {
  std::vector<TokenId> argmax;
  std::vector<float> margin;
  std::vector<float> logprob_argmax;
  std::vector<float> logprob_next;
  double mean_nll = 0;
};

struct GoldenPrompt {
  std::string name;
  std::vector<TokenId> tokens;
  std::vector<TokenId> top_ids;
  std::vector<float> top_logprobs;
  std::optional<GoldenGreedy> greedy;
  std::optional<GoldenPositions> positions;
};

// How far llama.cpp is from the reference on `long`.
struct GoldenPeer {
  double mean_nll = 0;
  double mean_abs_diff = 0;
};

struct GoldenModel {
  std::vector<GoldenPrompt> prompts;
  GoldenPeer peer;
};

// The committed file of that name, or the full collection's; nullopt if there is neither.
std::optional<GoldenModel> ReadGolden(const std::string& file_name);

// The path of a fetched model ("smollm2-135m"), or nullopt.
std::optional<std::string> FindModelFile(const std::string& name);

std::unique_ptr<Model> LoadModel(const std::string& path, Precision precision, WorkerPool& pool);

}  // namespace quire::test
