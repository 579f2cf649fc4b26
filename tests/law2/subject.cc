#include "tests/law2/subject.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <ostream>

#include "base/check.h"

namespace quire::test {

namespace {

void Fill(Subject& subject, std::shared_ptr<const GgufFile> file) {
  WorkerPool pool(2);
  auto tokenizer = Tokenizer::Create(*file);
  QUIRE_CHECK(tokenizer, "the tokenizer of a test model must load");
  auto model = Model::Load(std::move(file), {}, pool);
  if (!model) CheckFailed(__FILE__, __LINE__, subject.name.c_str(), model.error().message.c_str());
  subject.tokenizer = std::move(*tokenizer);
  subject.model = std::move(*model);
}

// Each format with each head size, on one architecture after another.
void AddKvFormats(std::vector<TinySubject>& subjects) {
  constexpr const char* kArchitectures[] = {"gemma3", "llama", "qwen2", "qwen3"};
  uint32_t next = 0;
  for (const KvFormat format : {KvFormat::kQ8, KvFormat::kK16V8}) {
    for (const uint32_t head_dim : {64u, 80u, 96u, 128u, 256u}) {
      TinyModelOptions options;
      options.architecture = kArchitectures[next++ % 4];
      options.head_dim = head_dim;
      if (options.architecture == "gemma3") options.layers = 6;
      subjects.push_back({options.architecture + "-head" + std::to_string(head_dim) + "-" +
                              std::string(KvFormatName(format)),
                          options, format});
    }
  }
}

std::vector<TinySubject> MakeTinySubjects() {
  std::vector<TinySubject> subjects;
  for (const char* architecture : {"llama", "qwen2", "qwen3", "gemma3"}) {
    for (const uint32_t head_dim : {64u, 80u, 96u, 128u, 256u}) {
      TinyModelOptions options;
      options.architecture = architecture;
      options.head_dim = head_dim;
      options.tied = head_dim != 96;
      if (options.architecture == "gemma3") options.layers = 6;  // the sixth is global
      if (head_dim == 256) options.kv_heads = 1;
      subjects.push_back(
          {options.architecture + "-head" + std::to_string(head_dim), options, KvFormat::kF16});
    }
  }
  for (const TensorType type :
       {TensorType::kF32, TensorType::kF16, TensorType::kBF16, TensorType::kQ4_0, TensorType::kQ4_1,
        TensorType::kQ5_0, TensorType::kQ5_1, TensorType::kQ8_0, TensorType::kQ2_K,
        TensorType::kQ3_K, TensorType::kQ4_K, TensorType::kQ5_K, TensorType::kQ6_K,
        TensorType::kIQ4_NL, TensorType::kIQ4_XS}) {
    TinyModelOptions options;
    options.type = type;
    subjects.push_back({"llama-" + std::string(Info(type).name), options, KvFormat::kF16});
  }
  for (const auto& [rope, name] : {std::pair{TinyRope::kLinear, "linear"},
                                   {TinyRope::kLlama3, "llama3"},
                                   {TinyRope::kYarn, "yarn"}}) {
    TinyModelOptions options;
    options.rope = rope;
    subjects.push_back({std::string("llama-rope-") + name, options, KvFormat::kF16});
  }
  AddKvFormats(subjects);
  return subjects;
}

std::vector<std::filesystem::path> ModelFolders() {
  std::vector<std::filesystem::path> folders;
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != 0) {
    folders.push_back(std::filesystem::path(cache) / "quire/models");
  } else if (const char* home = std::getenv("HOME"); home != nullptr) {
    folders.push_back(std::filesystem::path(home) / ".cache/quire/models");
  }
  folders.push_back(QUIRE_SOURCE_DIR "/models");
  return folders;
}

}  // namespace

std::vector<TokenId> Subject::Prompt(const std::string& text, uint32_t most_tokens) const {
  std::vector<TokenId> tokens = tokenizer->Encode(text, {.add_special = true});
  tokens.resize(std::min<size_t>(tokens.size(), most_tokens));
  return tokens;
}

void PrintTo(const TinySubject& tiny, std::ostream* out) { *out << tiny.name; }

const std::vector<TinySubject>& TinySubjects() {
  static const std::vector<TinySubject> subjects = MakeTinySubjects();
  return subjects;
}

std::unique_ptr<Subject> LoadTiny(const TinySubject& tiny) {
  auto subject = std::make_unique<Subject>();
  subject->name = tiny.name;
  subject->kv_format = tiny.kv_format;
  subject->bytes = MakeTinyModel(tiny.options);
  auto file = GgufFile::Parse(subject->bytes);
  QUIRE_CHECK(file, "a generated model must parse");
  Fill(*subject, std::make_shared<GgufFile>(std::move(*file)));
  return subject;
}

std::unique_ptr<Subject> LoadReal(const std::string& name) {
  for (const std::filesystem::path& folder : ModelFolders()) {
    const std::filesystem::path path = folder / (name + ".gguf");
    if (!std::filesystem::exists(path)) continue;
    auto file = GgufFile::Open(path);
    QUIRE_CHECK(file, "a model of the cache directory must open");
    auto subject = std::make_unique<Subject>();
    subject->name = name;
    Fill(*subject, std::make_shared<GgufFile>(std::move(*file)));
    return subject;
  }
  return nullptr;
}

}  // namespace quire::test
