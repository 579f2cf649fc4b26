#include "server/dashboard/attention_view.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "server/openai/json_input.h"
#include "server/openai/json_writer.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace quire {
namespace {

// Four digits are more than a picture shows.
double Rounded(float weight) { return std::round(double{weight} * 1e4) / 1e4; }

// What a token cannot see is left out: row i has i + 1 weights.
void WriteHeads(const std::vector<float>& weights, uint32_t heads, size_t tokens,
                JsonWriter& json) {
  json.Key("weights").BeginArray();
  for (size_t head = 0; head < heads; ++head) {
    json.BeginArray();
    for (size_t row = 0; row < tokens; ++row) {
      const float* at = &weights[(head * tokens + row) * tokens];
      json.BeginArray();
      for (size_t seen = 0; seen <= row; ++seen) json.Number(Rounded(at[seen]));
      json.EndArray();
    }
    json.EndArray();
  }
  json.EndArray();
}

}  // namespace

Result<std::string> ShowAttention(const ReadyModel& model, const std::string& text,
                                  const std::function<bool()>& in_vain) {
  const AttentionSight& sight = model.attention;
  if (!sight.look) return Refuse(ErrorCode::kNotFound, "this server does not show attention");
  QUIRE_TRY(const Json body, ParseJson(text));
  QUIRE_TRY(FieldReader reader, FieldReader::Of(body));
  QUIRE_TRY(const auto content, reader.String("text"));
  QUIRE_TRY(const auto layer, reader.Integer("layer", 0, int64_t{sight.layers} - 1));
  if (!content || content->empty()) {
    return Refuse(ErrorCode::kInvalidArgument, "'text' is missing or empty", "text");
  }
  const auto tokens =
      model.tokenizer->Encode(*content, {.add_special = true, .parse_special = false});
  if (tokens.empty() || tokens.size() > sight.most_tokens) {
    return Refuse(
        ErrorCode::kInvalidArgument,
        fmt::format("'text' is {} tokens; 1 to {} can be shown", tokens.size(), sight.most_tokens),
        "text");
  }
  const auto at = static_cast<uint32_t>(layer.value_or(0));
  const std::vector<float> weights = sight.look(tokens, at, in_vain);
  if (weights.empty()) return Refuse(ErrorCode::kUnavailable, "nobody waits for it any more");
  JsonWriter json;
  json.BeginObject().Field("layer", at).Field("layers", sight.layers);
  json.Field("heads", sight.heads).Key("tokens").BeginArray();
  for (const TokenId token : tokens) json.Number(token);
  json.EndArray().Key("pieces").BeginArray();
  Detokenizer detokenizer(*model.tokenizer, true);
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::string piece = detokenizer.Append(tokens[i]);
    if (i + 1 == tokens.size()) piece += detokenizer.Finish();
    json.String(piece);
  }
  json.EndArray();
  WriteHeads(weights, sight.heads, tokens.size(), json);
  json.EndObject();
  return json.Take();
}

}  // namespace quire
