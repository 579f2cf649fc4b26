#include "plan/capacity/shape_json.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace quire {
namespace {

using nlohmann::json;

constexpr uint64_t kMostLayers = 1024;
constexpr uint64_t kMostWidth = uint64_t{1} << 18;
constexpr uint64_t kMostHeads = 1024;
constexpr uint64_t kMostHeadDim = 256;  // of the attention kernels
constexpr uint64_t kMostContext = uint64_t{1} << 23;
constexpr uint64_t kMostVocabulary = uint64_t{1} << 24;
constexpr size_t kMostJsonBytes = size_t{1} << 20;
constexpr uint32_t kLanes = 16;  // kernels work on whole vectors

std::unexpected<Error> Wrong(const std::string& field, const std::string& why) {
  return Refuse(ErrorCode::kInvalidArgument, fmt::format("\"{}\" {}", field, why), field);
}

// One object, its fields under our name or the published one.
class Fields {
 public:
  explicit Fields(const json& object)
      : object_(object), published_(object.contains("hidden_size")) {}

  bool published() const { return published_; }

  struct Field {
    const char* name;
    const char* alias;  // in a published config.json
    uint64_t least;
    uint64_t most;
  };
  Result<uint32_t> Number(const Field& field, std::optional<uint64_t> fallback = std::nullopt) {
    const char* const name = published_ ? field.alias : field.name;
    const json* const value = Find(name);
    if (value == nullptr) {
      if (fallback) return static_cast<uint32_t>(*fallback);
      return Wrong(name, "is missing");
    }
    if (!value->is_number_unsigned() || value->get<uint64_t>() < field.least ||
        value->get<uint64_t>() > field.most) {
      return Wrong(name, fmt::format("is {}; a whole number from {} to {} is expected",
                                     Short(*value), field.least, field.most));
    }
    return static_cast<uint32_t>(value->get<uint64_t>());
  }

  Result<std::string> Text(const char* name, std::string fallback) {
    const json* const value = Find(name);
    if (value == nullptr) return fallback;
    if (!value->is_string()) return Wrong(name, fmt::format("is {}, not a text", Short(*value)));
    return value->get<std::string>();
  }

  Result<bool> Flag(const char* name, const char* alias, bool fallback) {
    const char* const known = published_ ? alias : name;
    const json* const value = Find(known);
    if (value == nullptr) return fallback;
    if (!value->is_boolean()) {
      return Wrong(known, fmt::format("is {}, neither true nor false", Short(*value)));
    }
    return value->get<bool>();
  }

  // Of our own kind, every field counts: one that is not known is a mistake.
  Status CheckAllKnown() const {
    if (published_) return {};
    for (const auto& [name, value] : object_.items()) {
      if (!asked_.contains(name)) {
        return Wrong(name.substr(0, 64), "is not a field of a model; `quire plan --help` has them");
      }
    }
    return {};
  }

 private:
  // Null is as good as absent.
  const json* Find(const char* name) {
    asked_.insert(name);
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  static std::string Short(const json& value) {
    if (value.is_structured()) return value.is_array() ? "a list" : "an object";
    const std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
    return text.size() <= 40 ? text : text.substr(0, 40) + "...";
  }

  const json& object_;
  const bool published_;
  std::set<std::string> asked_;
};

struct Family {
  std::string_view name;
  Architecture architecture;
};
constexpr std::array kFamilies = {
    Family{"llama", Architecture::kLlama}, Family{"qwen2", Architecture::kQwen2},
    Family{"qwen3", Architecture::kQwen3}, Family{"gemma3", Architecture::kGemma3}};

Status ReadArchitecture(Fields& fields, ModelConfig& config) {
  QUIRE_TRY(const std::string name,
            fields.Text(fields.published() ? "model_type" : "architecture", "llama"));
  for (const Family& family : kFamilies) {
    if (name != family.name && name != std::string(family.name) + "_text") continue;
    config.architecture = family.architecture;
    config.architecture_name = family.name;
    return {};
  }
  if (!fields.published()) {
    return Wrong("architecture",
                 fmt::format("is '{}'; llama, qwen2, qwen3 or gemma3 is expected", name));
  }
  config.architecture_name = "llama";  // its sizes are still its own
  return {};
}

// Fields that change what a model reads and keeps, and which no size here accounts for.
Status RefuseOthers(const json& object) {
  for (const char* name : {"num_experts", "num_local_experts", "n_routed_experts", "experts"}) {
    const auto found = object.find(name);
    if (found == object.end() || !found->is_number() || found->get<double>() <= 1) continue;
    return Wrong(name, "makes it a mixture of experts; Quire runs dense models only");
  }
  const auto latent = object.find("kv_lora_rank");
  if (latent != object.end() && latent->is_number() && latent->get<double>() > 0) {
    return Wrong("kv_lora_rank",
                 "makes it a model with latent attention, which Quire does not "
                 "run; what that would save is in the plan of any model");
  }
  return {};
}

Status ReadSizes(Fields& fields, ModelConfig& config) {
  QUIRE_TRY(config.layers, fields.Number({"layers", "num_hidden_layers", 1, kMostLayers}));
  QUIRE_TRY(config.width, fields.Number({"width", "hidden_size", kLanes, kMostWidth}));
  QUIRE_TRY(config.ffn_width,
            fields.Number({"ffn_width", "intermediate_size", kLanes, kMostWidth}));
  QUIRE_TRY(config.query_heads,
            fields.Number({"query_heads", "num_attention_heads", 1, kMostHeads}));
  QUIRE_TRY(config.kv_heads,
            fields.Number({"kv_heads", "num_key_value_heads", 1, kMostHeads}, config.query_heads));
  QUIRE_TRY(config.head_dim, fields.Number({"head_dim", "head_dim", kLanes, kMostHeadDim},
                                           config.width / config.query_heads));
  QUIRE_TRY(config.vocab_size,
            fields.Number({"vocabulary", "vocab_size", kLanes, kMostVocabulary}));
  QUIRE_TRY(config.context_length,
            fields.Number({"context", "max_position_embeddings", kBlockTokens, kMostContext}));
  if (config.query_heads % config.kv_heads != 0) {
    return Wrong("kv_heads", fmt::format("is {}, which {} query heads cannot share evenly",
                                         config.kv_heads, config.query_heads));
  }
  for (const auto& [name, size] : {std::pair{"width", config.width},
                                   {"ffn_width", config.ffn_width},
                                   {"head_dim", config.head_dim}}) {
    if (size == 0 || size % kLanes != 0) {
      return Wrong(name, fmt::format("is {}, which is no multiple of {}", size, kLanes));
    }
  }
  if (config.head_dim > kMostHeadDim) {
    return Wrong("head_dim", fmt::format("is {}; at most {} runs", config.head_dim, kMostHeadDim));
  }
  config.rope.dims = config.local_rope.dims = config.head_dim;
  return {};
}

Status ReadWindow(Fields& fields, ModelConfig& config) {
  QUIRE_TRY(config.window, fields.Number({"window", "sliding_window", 0, kMostContext}, 0));
  // qwen's files carry a window that the models were not trained to use.
  if (fields.published() && (config.architecture == Architecture::kQwen2 ||
                             config.architecture == Architecture::kQwen3)) {
    config.window = 0;
  }
  const bool gemma = config.architecture == Architecture::kGemma3;
  const uint32_t pattern = gemma ? 6 : 0;  // one layer in so many is global
  uint32_t windowed = config.window == 0 ? 0 : config.layers;
  if (windowed > 0 && pattern > 0) windowed -= config.layers / pattern;
  QUIRE_TRY(windowed,
            fields.Number({"windowed_layers", "windowed_layers", 0, config.layers}, windowed));
  config.windowed.assign(config.layers, false);
  if (config.window == 0) return {};
  uint32_t left = windowed;
  for (uint32_t i = 0; i < config.layers && left > 0; ++i) {
    const bool global = pattern > 0 && (i + 1) % pattern == 0;
    if (global && config.layers - i > left) continue;
    config.windowed[i] = true;
    --left;
  }
  return {};
}

Result<TensorType> TypeOf(Fields& fields, const char* name, const char* fallback) {
  QUIRE_TRY(const std::string text, fields.Text(name, fallback));
  std::string known;
  for (uint32_t id = 0; id < 64; ++id) {
    const TensorTypeInfo* info = FindTensorType(id);
    if (info == nullptr) continue;
    if (info->name == text) return info->type;
    known += (known.empty() ? "" : ", ") + std::string(info->name);
  }
  return Wrong(name, fmt::format("is '{}'; one of {} is expected", text.substr(0, 40), known));
}

// Rows are made of whole blocks: of a type that does not divide them, files fall back to others.
TensorType Fitting(TensorType wanted, uint32_t columns) {
  for (const TensorType type : {wanted, TensorType::kQ8_0}) {
    if (columns % Info(type).block_values == 0) return type;
  }
  return TensorType::kF16;
}

struct Types {
  TensorType weights;
  TensorType output;
  TensorType embedding;
};

class TensorList {
 public:
  TensorList(ModelShape& shape, TensorType type) : shape_(shape), type_(type) {}
  void Matrix(int32_t layer, const char* name, uint32_t rows, uint32_t columns) {
    shape_.tensors.push_back({layer, name, Fitting(type_, columns), rows, columns});
  }
  void Vector(int32_t layer, const char* name, uint32_t size) {
    shape_.tensors.push_back({layer, name, TensorType::kF32, 1, size});
  }

 private:
  ModelShape& shape_;
  const TensorType type_;
};

void AddLayer(const ModelConfig& config, int32_t layer, TensorList& list) {
  list.Vector(layer, "attn_norm.weight", config.width);
  list.Matrix(layer, "attn_q.weight", config.query_width(), config.width);
  list.Matrix(layer, "attn_k.weight", config.kv_width(), config.width);
  list.Matrix(layer, "attn_v.weight", config.kv_width(), config.width);
  list.Matrix(layer, "attn_output.weight", config.width, config.query_width());
  list.Vector(layer, "ffn_norm.weight", config.width);
  list.Matrix(layer, "ffn_gate.weight", config.ffn_width, config.width);
  list.Matrix(layer, "ffn_up.weight", config.ffn_width, config.width);
  list.Matrix(layer, "ffn_down.weight", config.width, config.ffn_width);
  if (config.architecture == Architecture::kQwen2) {
    list.Vector(layer, "attn_q.bias", config.query_width());
    list.Vector(layer, "attn_k.bias", config.kv_width());
    list.Vector(layer, "attn_v.bias", config.kv_width());
  }
  const bool gemma = config.architecture == Architecture::kGemma3;
  if (gemma || config.architecture == Architecture::kQwen3) {
    list.Vector(layer, "attn_q_norm.weight", config.head_dim);
    list.Vector(layer, "attn_k_norm.weight", config.head_dim);
  }
  if (gemma) {
    list.Vector(layer, "post_attention_norm.weight", config.width);
    list.Vector(layer, "post_ffw_norm.weight", config.width);
  }
}

void AddTensors(const Types& types, bool tied, ModelShape& shape) {
  const ModelConfig& config = shape.config;
  TensorList layers(shape, types.weights);
  for (uint32_t i = 0; i < config.layers; ++i) AddLayer(config, static_cast<int32_t>(i), layers);
  layers.Vector(ShapeTensor::kNoLayer, "output_norm.weight", config.width);
  const TensorType embedding = Fitting(types.embedding, config.width);
  const TensorType output = tied ? embedding : Fitting(types.output, config.width);
  shape.tensors.push_back(
      {ShapeTensor::kNoLayer, "output.weight", output, config.vocab_size, config.width});
  const TensorTypeInfo& info = Info(embedding);
  shape.embedding_bytes =
      uint64_t{config.vocab_size} * (config.width / info.block_values) * info.block_bytes;
  shape.vocabulary_bytes = kVocabularyEntryBytes * config.vocab_size;
}

}  // namespace

Result<ModelShape> ParseModelShape(std::string_view text) {
  if (text.size() > kMostJsonBytes) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("{} bytes are too many for the description of a model; at most {}",
                              text.size(), kMostJsonBytes));
  }
  const json object = json::parse(text, nullptr, false);
  if (object.is_discarded()) return Refuse(ErrorCode::kInvalidArgument, "it is not JSON");
  if (!object.is_object()) {
    return Refuse(ErrorCode::kInvalidArgument, "it is not a JSON object with the model's sizes");
  }
  if (Status ok = RefuseOthers(object); !ok) return std::unexpected(ok.error());
  Fields fields(object);
  ModelShape shape;
  ModelConfig& config = shape.config;
  Status read = ReadArchitecture(fields, config);
  if (read) read = ReadSizes(fields, config);
  if (read) read = ReadWindow(fields, config);
  if (!read) return std::unexpected(std::move(read).error());
  QUIRE_TRY(config.name, fields.Text(fields.published() ? "_name_or_path" : "name", "a model"));
  if (config.name.empty()) config.name = "a model";
  Types types{};
  QUIRE_TRY(types.weights, TypeOf(fields, "weights", "Q4_K"));
  QUIRE_TRY(types.output, TypeOf(fields, "output", "Q6_K"));
  QUIRE_TRY(types.embedding, TypeOf(fields, "embedding", "Q6_K"));
  const bool gemma = config.architecture == Architecture::kGemma3;
  QUIRE_TRY(const bool tied, fields.Flag("tied", "tie_word_embeddings", gemma));
  if (Status known = fields.CheckAllKnown(); !known) return std::unexpected(known.error());
  AddTensors(types, tied, shape);
  return shape;
}

}  // namespace quire
