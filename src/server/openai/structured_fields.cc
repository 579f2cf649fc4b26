#include "server/openai/structured_fields.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "grammar/source/ebnf.h"
#include "grammar/source/json_schema.h"
#include "grammar/source/regex.h"

namespace quire {
namespace {

std::unexpected<Error> Bad(const std::string& path, const std::string& what) {
  return Refuse(ErrorCode::kInvalidArgument, "'" + path + "' " + what, path);
}

// An error of a pattern or a grammar gets the field's name.
Result<Part> Named(Result<Part> part, const std::string& path) {
  if (part || !part.error().param.empty()) return part;
  return Refuse(part.error().code, "'" + path + "' is not supported: " + part.error().message,
                path);
}

Result<StructuredForm> FormOf(std::string kind, std::string text, const std::string& path,
                              GrammarCache::Make make) {
  if (text.size() > kMaxFormBytes) {
    return Bad(path, "has " + std::to_string(text.size()) + " bytes; at most " +
                         std::to_string(kMaxFormBytes));
  }
  // The path is part of the errors that a schema's compilation gives, and of nothing kept.
  return StructuredForm{path, kind + '\n' + text, std::move(make)};
}

Result<StructuredForm> SchemaForm(const Json& value, const std::string& path) {
  Json schema = value;
  if (value.is_string()) {
    auto parsed = ParseJson(value.get_ref<const std::string&>());
    if (!parsed) return Bad(path, "is a string, but not of a JSON schema");
    schema = *std::move(parsed);
  }
  if (!schema.is_object() && !schema.is_boolean()) return Bad(path, "must be a JSON schema");
  std::string text = schema.dump();
  return FormOf("schema", std::move(text), path, [schema = std::move(schema), path](Parts& parts) {
    return AddJsonSchema(parts, schema, path);
  });
}

Result<StructuredForm> ObjectForm(const std::string& path) {
  return FormOf("object", "", path,
                [](Parts& parts) -> Result<Part> { return AddJsonObject(parts); });
}

Result<StructuredForm> RegexForm(const Json& value, const std::string& path) {
  if (!value.is_string()) return Bad(path, "must be a string");
  const std::string pattern = value.get<std::string>();
  return FormOf("regex", pattern, path, [pattern, path](Parts& parts) {
    return Named(AddRegex(parts, pattern, RegexUse::kWhole), path);
  });
}

Result<StructuredForm> EbnfForm(const Json& value, const std::string& path) {
  if (!value.is_string()) return Bad(path, "must be a string");
  const std::string grammar = value.get<std::string>();
  return FormOf("ebnf", grammar, path,
                [grammar, path](Parts& parts) { return Named(AddEbnf(parts, grammar), path); });
}

Result<StructuredForm> ChoiceForm(const Json& value, const std::string& path) {
  if (!value.is_array() || value.empty()) return Bad(path, "must be a list of texts, not empty");
  if (value.size() > kMaxFormChoices) {
    return Bad(path, "has more than " + std::to_string(kMaxFormChoices) + " texts");
  }
  std::vector<std::string> texts;
  for (const Json& text : value) {
    if (!text.is_string()) return Bad(path, "must be a list of texts");
    texts.push_back(text.get<std::string>());
  }
  return FormOf("choice", value.dump(), path, [texts](Parts& parts) -> Result<Part> {
    std::vector<Part> choices;
    for (const std::string& text : texts) choices.push_back(parts.Literal(text));
    return parts.Choice(choices);
  });
}

using Form = std::optional<StructuredForm>;

Result<Form> ReadResponseFormat(FieldReader& reader) {
  const Json* const value = reader.Any("response_format");
  if (value == nullptr) return Form();
  QUIRE_TRY(FieldReader format, FieldReader::Of(*value, "response_format"));
  QUIRE_TRY(const auto type, format.String("type"));
  if (!type) return Bad("response_format.type", "is missing");
  if (*type == "text") return Form();
  if (*type == "json_object") {
    const Json* const schema = format.Any("schema");
    if (schema != nullptr) return SchemaForm(*schema, "response_format.schema");
    return ObjectForm("response_format");
  }
  if (*type != "json_schema") {
    return Refuse(ErrorCode::kUnsupported,
                  "'response_format.type' can be \"text\", \"json_object\" or \"json_schema\"",
                  "response_format.type");
  }
  const Json* const wrapped = format.Any("json_schema");
  if (wrapped == nullptr) return Bad("response_format.json_schema", "is missing");
  QUIRE_TRY(FieldReader inner, FieldReader::Of(*wrapped, "response_format.json_schema"));
  QUIRE_TRY([[maybe_unused]] const auto name, inner.String("name"));
  QUIRE_TRY([[maybe_unused]] const auto strict, inner.Bool("strict"));
  const Json* const schema = inner.Any("schema");
  if (schema == nullptr) return Bad("response_format.json_schema.schema", "is missing");
  return SchemaForm(*schema, "response_format.json_schema.schema");
}

// {"regex": ...} and the like: one of them.
Result<Form> ReadStructured(FieldReader& reader, const std::string& field) {
  const Json* const value = reader.Any(field);
  if (value == nullptr) return Form();
  QUIRE_TRY(FieldReader inner, FieldReader::Of(*value, field));
  constexpr std::pair<const char*, Result<StructuredForm> (*)(const Json&, const std::string&)>
      kKinds[] = {{"json", SchemaForm},
                  {"regex", RegexForm},
                  {"choice", ChoiceForm},
                  {"grammar", EbnfForm}};
  Form form;
  for (const auto& [kind, read] : kKinds) {
    const Json* const wish = inner.Any(kind);
    if (wish == nullptr) continue;
    if (form) return Bad(field, "must have one of json, regex, choice, grammar, json_object");
    QUIRE_TRY(form, read(*wish, field + "." + kind));
  }
  QUIRE_TRY(const auto object, inner.Bool("json_object"));
  if (object.value_or(false)) {
    if (form) return Bad(field, "must have one of json, regex, choice, grammar, json_object");
    QUIRE_TRY(form, ObjectForm(field + ".json_object"));
  }
  for (const std::string& unknown : inner.Unknown()) {
    if (value->at(unknown.substr(field.size() + 1)) == false) continue;
    return Refuse(ErrorCode::kUnsupported, "'" + unknown + "' is not supported", unknown);
  }
  if (!form) return Bad(field, "must have one of json, regex, choice, grammar, json_object");
  return form;
}

Result<Form> ReadOtherNames(FieldReader& reader, const std::string& field) {
  const Json* const value = reader.Any(field);
  if (value == nullptr || *value == "") return Form();
  if (field == "guided_regex") return RegexForm(*value, field);
  if (field == "guided_choice") return ChoiceForm(*value, field);
  if (field == "guided_json" || field == "json_schema") return SchemaForm(*value, field);
  return EbnfForm(*value, field);
}

}  // namespace

Result<std::optional<StructuredForm>> ReadStructuredForm(FieldReader& reader) {
  QUIRE_TRY(Form form, ReadResponseFormat(reader));
  const auto take = [&form](Result<Form> other) -> Status {
    if (!other) return std::unexpected(std::move(other).error());
    if (form && *other) return Bad((*other)->param, "contradicts '" + form->param + "': use one");
    if (*other) form = *std::move(other);
    return {};
  };
  for (const char* field : {"structured", "structured_outputs"}) {
    if (const Status taken = take(ReadStructured(reader, field)); !taken) {
      return std::unexpected(taken.error());
    }
  }
  for (const char* field : {"guided_json", "guided_regex", "guided_choice", "guided_grammar",
                            "json_schema", "grammar"}) {
    if (const Status taken = take(ReadOtherNames(reader, field)); !taken) {
      return std::unexpected(taken.error());
    }
  }
  return form;
}

Result<std::shared_ptr<const Grammar>> CompileForm(GrammarCache& cache,
                                                   const StructuredForm& form) {
  auto grammar = cache.Get(form.text, form.make);
  if (grammar || !grammar.error().param.empty()) return grammar;
  return Refuse(grammar.error().code, "'" + form.param + "': " + grammar.error().message,
                form.param);
}

}  // namespace quire
