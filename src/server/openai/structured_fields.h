// server/openai/structured_fields.h -- the form that a client wants answers to have.
//
// response_format is OpenAI's field, structured ours; the names that vLLM (guided_*,
// structured_outputs) and llama.cpp (json_schema, grammar) have for the same are understood too.
// One request has one form.
//
// Threads  none. Errors: kInvalidArgument and kUnsupported naming the field; those of the form
//          itself (a schema, a pattern) come from StructuredForm::make.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "grammar/grammar_cache.h"
#include "grammar/parts.h"
#include "server/openai/json_input.h"

namespace quire {

inline constexpr size_t kMaxFormBytes = size_t{256} << 10;  // of a pattern, a grammar or a schema
inline constexpr size_t kMaxFormChoices = 10000;

struct StructuredForm {
  std::string param;        // the field it came from
  std::string text;         // says all that `make` depends on
  GrammarCache::Make make;  // errors name their place
};

Result<std::optional<StructuredForm>> ReadStructuredForm(FieldReader& reader);

// The grammar of a form; errors name its field.
Result<std::shared_ptr<const Grammar>> CompileForm(GrammarCache& cache, const StructuredForm& form);

}  // namespace quire
