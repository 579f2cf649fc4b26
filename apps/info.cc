// quire info: what a model file is and what it will need.
#include <fmt/format.h>

#include <CLI/Option.hpp>
#include <map>
#include <string>

#include "apps/command.h"
#include "apps/exit_code.h"
#include "base/machine.h"
#include "base/size.h"
#include "gguf/gguf_file.h"
#include "kernels/kv_view.h"
#include "kernels/matmul.h"
#include "model/config.h"
#include "model/kv_choice.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace quire {
namespace {

struct InfoFlags {
  std::string model;
  bool metadata = false;
  bool tensors = false;
};

void Line(const char* label, const std::string& value) { fmt::print("{:<18}{}\n", label, value); }

uint64_t TensorBytes(const GgufFile& file) {
  uint64_t bytes = 0;
  for (const TensorInfo& tensor : file.tensors()) bytes += tensor.data.size();
  return bytes;
}

void PrintTypes(const GgufFile& file) {
  std::map<std::string, std::pair<uint64_t, uint64_t>> types;  // name -> tensors, bytes
  for (const TensorInfo& tensor : file.tensors()) {
    auto& entry = types[std::string(Info(tensor.type).name)];
    ++entry.first;
    entry.second += tensor.data.size();
  }
  std::string text;
  for (const auto& [name, entry] : types) {
    text += fmt::format("{}{} ({}, {})", text.empty() ? "" : ", ", name, entry.first,
                        FormatSize(entry.second));
  }
  Line("tensors", fmt::format("{} in all: {}", file.tensors().size(), text));
}

void PrintConfig(const ModelConfig& config, const GgufFile& file) {
  Line("name", config.name);
  Line("architecture", config.architecture_name);
  Line("layers",
       fmt::format("{}, width {}, ffn {}", config.layers, config.width, config.ffn_width));
  Line("heads",
       fmt::format("{} query, {} KV, of {}", config.query_heads, config.kv_heads, config.head_dim));
  Line("context", fmt::format("{} tokens", config.context_length));
  if (config.window > 0) Line("window", fmt::format("{} tokens in some layers", config.window));
  Line("vocabulary", fmt::format("{} tokens", config.vocab_size));
  std::string kv;
  for (const KvFormat format : {KvFormat::kF16, KvFormat::kK16V8, KvFormat::kQ8}) {
    const uint64_t bytes = KvShapeOf(config, format).block_bytes() / kBlockTokens;
    kv += fmt::format("{}{} ({}{})", kv.empty() ? "" : ", ", FormatSize(bytes),
                      KvFormatName(format), format == kDefaultKvFormat ? ", the default" : "");
  }
  Line("KV per token", fmt::format("{}; blocks of {} tokens", kv, kBlockTokens));
  const uint64_t per_token = KvShapeOf(config, kDefaultKvFormat).block_bytes() / kBlockTokens;
  const uint64_t weights = TensorBytes(file);
  const uint64_t context_kv = per_token * config.context_length;
  Line("memory", fmt::format("{} weights + {} for each whole context = {}; free now: {}",
                             FormatSize(weights), FormatSize(context_kv),
                             FormatSize(weights + context_kv), FormatSize(AvailableMemory())));
}

void PrintText(const GgufFile& file) {
  auto tokenizer = Tokenizer::Create(file);
  Line("tokenizer", tokenizer ? (*tokenizer)->name() : tokenizer.error().message);
  const auto source = file.GetString("tokenizer.chat_template");
  if (!source) {
    Line("chat template", "none: completions only");
    return;
  }
  auto parsed = ChatTemplate::Parse(std::string(*source));
  Line("chat template",
       parsed ? fmt::format("yes, {} bytes", source->size()) : parsed.error().message);
}

int PrintInfo(const InfoFlags& flags) {
  auto file = GgufFile::Open(flags.model);
  if (!file) return Fail(file.error(), kExitModel);
  Line("file", fmt::format("{}, {} in {} part{}", flags.model, FormatSize(file->file_bytes()),
                           file->paths().size(), file->paths().size() == 1 ? "" : "s"));
  auto config = ReadModelConfig(*file);
  if (config) {
    PrintConfig(*config, *file);
  } else {
    Line("runs", "no: " + config.error().message);
  }
  PrintTypes(*file);
  PrintText(*file);
  if (flags.metadata) {
    for (const auto& line : file->DescribeMetadata()) {
      fmt::print("  {} ({}) = {}\n", line.key, line.kind, line.value);
    }
  }
  if (flags.tensors) {
    for (const TensorInfo& tensor : file->tensors()) {
      fmt::print("  {} {} {}x{}\n", tensor.name, Info(tensor.type).name, tensor.columns(),
                 tensor.rows());
    }
  }
  const int written = FinishOutput();
  return config ? written : static_cast<int>(kExitModel);
}

}  // namespace

Command AddInfo(CLI::App& parent) {
  auto flags = std::make_shared<InfoFlags>();
  CLI::App* app = parent.add_subcommand(
      "info", "What a model file is: architecture, sizes, memory it will need.");
  app->footer(
      "Example:\n"
      "  quire info model.gguf --tensors");
  app->add_option("MODEL.gguf", flags->model, "the model; of a split one the first part")
      ->required();
  app->add_flag("--metadata", flags->metadata, "also every metadata key");
  app->add_flag("--tensors", flags->tensors, "also every tensor");
  return {app, [flags](const Settings&) { return PrintInfo(*flags); }};
}

}  // namespace quire
