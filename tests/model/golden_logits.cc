#include "tests/model/golden_logits.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace quire::test {
namespace {

using nlohmann::json;

GoldenPrompt ParsePrompt(const json& entry) {
  GoldenPrompt prompt;
  entry.at("name").get_to(prompt.name);
  entry.at("tokens").get_to(prompt.tokens);
  entry.at("top_ids").get_to(prompt.top_ids);
  entry.at("top_logprobs").get_to(prompt.top_logprobs);
  if (entry.contains("greedy")) {
    const json& greedy = entry.at("greedy");
    prompt.greedy = GoldenGreedy{greedy.at("ids").get<std::vector<TokenId>>(),
                                 greedy.at("margins").get<std::vector<float>>(),
                                 greedy.at("logprobs").get<std::vector<float>>()};
  }
  if (entry.contains("per_position")) {
    const json& all = entry.at("per_position");
    prompt.positions = GoldenPositions{
        all.at("argmax").get<std::vector<TokenId>>(), all.at("margin").get<std::vector<float>>(),
        all.at("logprob_argmax").get<std::vector<float>>(),
        all.at("logprob_next").get<std::vector<float>>(), entry.at("mean_nll").get<double>()};
  }
  return prompt;
}

std::optional<std::string> FirstExisting(const std::vector<std::filesystem::path>& paths) {
  for (const auto& path : paths) {
    if (std::filesystem::exists(path)) return path.string();
  }
  return std::nullopt;
}

}  // namespace

std::optional<GoldenModel> ReadGolden(const std::string& file_name) {
  const std::filesystem::path root = QUIRE_SOURCE_DIR;
  const auto path = FirstExisting(
      {root / "tests/golden/logits" / file_name, root / "../shared/golden/logits" / file_name});
  if (!path) return std::nullopt;
  std::ifstream stream(*path);
  const json all = json::parse(stream);
  GoldenModel golden;
  for (const json& entry : all.at("prompts")) golden.prompts.push_back(ParsePrompt(entry));
  const json& peer = all.at("llama_cpp_on_long").at("f32");
  golden.peer = {peer.at("mean_nll").get<double>(),
                 peer.at("mean_abs_diff_logprob_next").get<double>()};
  return golden;
}

std::optional<std::string> FindModelFile(const std::string& name) {
  std::vector<std::filesystem::path> paths = {std::filesystem::path(QUIRE_SOURCE_DIR) / "models" /
                                              (name + ".gguf")};
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') {
    paths.push_back(std::filesystem::path(cache) / "quire/models" / (name + ".gguf"));
  } else if (const char* home = std::getenv("HOME"); home != nullptr) {
    paths.push_back(std::filesystem::path(home) / ".cache/quire/models" / (name + ".gguf"));
  }
  return FirstExisting(paths);
}

std::unique_ptr<Model> LoadModel(const std::string& path, Precision precision, WorkerPool& pool) {
  Result<GgufFile> file = GgufFile::Open(path);
  if (!file) {
    ADD_FAILURE() << file.error().message;
    return nullptr;
  }
  auto shared = std::make_shared<const GgufFile>(std::move(*file));
  Result<std::unique_ptr<Model>> model =
      Model::Load(std::move(shared), {.precision = precision, .progress = {}}, pool);
  if (!model) {
    ADD_FAILURE() << model.error().message;
    return nullptr;
  }
  return std::move(*model);
}

}  // namespace quire::test
