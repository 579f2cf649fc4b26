// tests/law2/subject.h -- the models that law 2 is tried on.
#pragma once

#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "model/model.h"
#include "tests/support/tiny_model.h"
#include "text/tokenizer.h"

namespace quire::test {

struct Subject {
  std::string name;
  std::vector<std::byte> bytes;  // of a generated file, which the model reads from
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Tokenizer> tokenizer;
  KvFormat kv_format = KvFormat::kF16;

  // The first `most_tokens` tokens of `text`.
  std::vector<TokenId> Prompt(const std::string& text, uint32_t most_tokens) const;
};

struct TinySubject {
  std::string name;
  TinyModelOptions options;
  KvFormat kv_format = KvFormat::kF16;
};

void PrintTo(const TinySubject& tiny, std::ostream* out);  // for GoogleTest

// Every architecture with every head size, every tensor type, every kind of rope scaling, every KV
// format with every head size.
const std::vector<TinySubject>& TinySubjects();
std::unique_ptr<Subject> LoadTiny(const TinySubject& tiny);

// From the models' cache directory; nullptr if it is not there.
std::unique_ptr<Subject> LoadReal(const std::string& name);

}  // namespace quire::test
