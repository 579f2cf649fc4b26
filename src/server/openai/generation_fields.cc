#include "server/openai/generation_fields.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <utility>

#include "server/openai/request_labels.h"

namespace quire {
namespace {

// Fields of OpenAI's API and of other servers that shape the answer and are not supported here,
// with the advice that goes with the refusal.
constexpr std::string_view kNever = "-";  // no value asks for nothing
struct Unsupported {
  std::string_view name;
  std::string_view advice;
  std::string_view neutral = {};  // JSON of the value that asks for nothing; empty: IsOff decides
};
constexpr Unsupported kUnsupported[] = {
    {"best_of", "use 'n'", "1"},
    {"suffix", "there is no insertion mode"},
    {"modalities", "", R"(["text"])"},
    {"audio", "answers are text"},
    {"prediction", ""},
    {"web_search_options", ""},
    {"reasoning_effort", "pass what the chat template knows in 'chat_template_kwargs'"},
    {"verbosity", ""},
    {"typical_p", "", "1"},
    {"mirostat", ""},
    {"dry_multiplier", ""},
    {"xtc_probability", ""},
    {"dynatemp_range", ""},
    {"top_n_sigma", ""},
    {"top_a", ""},
    {"repeat_penalty", "use 'repetition_penalty'", "1"},
    {"n_predict", "use 'max_tokens'"},
    {"bad_words", "use 'logit_bias'"},
    {"allowed_token_ids", "use 'logit_bias'"},
    {"stop_token_ids", "use 'stop'"},
    {"include_stop_str_in_output", ""},
    {"length_penalty", "", "1"},
    {"use_beam_search", ""},
    {"prompt_logprobs", "use completions with 'echo', 'logprobs' and 'max_tokens': 0"},
    {"truncate_prompt_tokens", "shorten the prompt"},
    {"continue_final_message", "use completions"},
    {"chat_template", "the model's own is used"},
    {"documents", ""},
    {"input", "this is a field of other endpoints"},
    {"lora", ""},
    {"adapter", ""},
    {"previous_response_id", ""},
    {"no_repeat_ngram_size", ""},
    {"stop_sequences", "use 'stop'"},
    {"tfs_z", "", "1"},
    {"max_new_tokens", "use 'max_tokens'"},
    {"num_predict", "use 'max_tokens'"},
    {"num_return_sequences", "use 'n'", "1"},
    {"min_new_tokens", "use 'min_tokens'"},
    {"repeat_last_n", "penalties look at the whole text", "-1"},
    {"samplers", ""},
    {"penalty_alpha", ""},
    {"encoder_repetition_penalty", "", "1"},
    {"eta_cutoff", ""},
    {"epsilon_cutoff", ""},
    {"prompt_embeds", ""},
    {"add_special_tokens", "give 'prompt' as token ids", "true"},
    {"skip_special_tokens", "", "true"},
};
constexpr Unsupported kUnsupportedInChat[] = {
    {"add_generation_prompt", "use completions", "true"},
    {"echo", "use completions"},
    {"prompt", "use 'messages', or completions"},
    {"parse_special", "texts in messages never become control tokens"},
    {"system", "use a message of the role system"},
    {"thinking", "pass what the chat template knows in 'chat_template_kwargs'"},
    {"enable_thinking", "pass it in 'chat_template_kwargs'", kNever},
    {"max_output_tokens", "use 'max_completion_tokens'"},
};
constexpr Unsupported kUnsupportedInCompletions[] = {
    {"top_logprobs", "use 'logprobs' with a number"},
    {"messages", "use chat completions, or 'prompt'"},
    {"functions", "use chat completions"},
    {"function_call", "use chat completions"},
};

bool IsOff(const Unsupported& field, const Json& value) {
  if (field.neutral == kNever) return false;
  if (!field.neutral.empty()) {
    const Json neutral = Json::parse(field.neutral);
    return value == neutral || (value.is_string() && value.get_ref<const std::string&>().empty());
  }
  if (value.is_boolean()) return !value.get<bool>();
  if (value.is_string()) return value.get_ref<const std::string&>().empty();
  if (value.is_number()) return value.get<double>() == 0;
  return value.empty();
}

const Unsupported* Find(std::string_view name, Endpoint endpoint) {
  const auto among = [name](std::span<const Unsupported> table) {
    const auto found = std::ranges::find(table, name, &Unsupported::name);
    return found == table.end() ? nullptr : &*found;
  };
  const Unsupported* everywhere = among(kUnsupported);
  if (everywhere != nullptr) return everywhere;
  return endpoint == Endpoint::kChat ? among(kUnsupportedInChat) : among(kUnsupportedInCompletions);
}

Status ReadSampling(FieldReader& reader, GenerationFields& fields) {
  SamplingParams& sampling = fields.request.sampling;
  QUIRE_TRY(const auto temperature, reader.Number("temperature", {0, 2}));
  QUIRE_TRY(const auto top_p, reader.Number("top_p", {0, 1}));
  QUIRE_TRY(const auto top_k, reader.Integer("top_k", -1, std::numeric_limits<int32_t>::max()));
  QUIRE_TRY(const auto min_p, reader.Number("min_p", {0, 1}));
  QUIRE_TRY(const auto repetition, reader.Number("repetition_penalty", {0, 100, true}));
  QUIRE_TRY(const auto presence, reader.Number("presence_penalty", {-2, 2}));
  QUIRE_TRY(const auto frequency, reader.Number("frequency_penalty", {-2, 2}));
  QUIRE_TRY(const auto seed, reader.Integer("seed", std::numeric_limits<int64_t>::min(),
                                            std::numeric_limits<int64_t>::max()));
  const auto narrow = [](double value) { return static_cast<float>(value); };
  if (temperature) sampling.temperature = narrow(*temperature);
  // The sampler wants (0, 1] and [0, 1): the limits mean "only the likeliest" on both.
  if (top_p) sampling.top_p = std::max(narrow(*top_p), std::numeric_limits<float>::min());
  if (min_p) sampling.min_p = std::min(narrow(*min_p), std::nextafter(1.0f, 0.0f));
  if (top_k) sampling.top_k = *top_k > 0 ? static_cast<uint32_t>(*top_k) : 0;
  if (repetition) {
    sampling.repetition_penalty = std::max(narrow(*repetition), std::numeric_limits<float>::min());
  }
  if (presence) sampling.presence_penalty = narrow(*presence);
  if (frequency) sampling.frequency_penalty = narrow(*frequency);
  fields.has_seed = seed.has_value();
  if (seed) sampling.seed = static_cast<uint64_t>(*seed);
  return {};
}

Status ReadLogitBias(FieldReader& reader, SamplingParams& sampling) {
  const Json* bias = reader.Any("logit_bias");
  if (bias == nullptr) return {};
  if (!bias->is_object()) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "'logit_bias' must be an object of token ids and numbers", "logit_bias");
  }
  for (const auto& [key, value] : bias->items()) {
    TokenId token = kNoToken;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token);
    if (error != std::errc() || end != key.data() + key.size() || token < 0) {
      return Refuse(ErrorCode::kInvalidArgument,
                    "'logit_bias' has a key that is no token id: " + key, "logit_bias");
    }
    if (!value.is_number() || std::abs(value.get<double>()) > 100) {
      return Refuse(ErrorCode::kInvalidArgument,
                    "'logit_bias." + key + "' must be a number between -100 and 100", "logit_bias");
    }
    sampling.logit_bias.emplace_back(token, value.get<float>());
  }
  return {};
}

Status ReadStop(FieldReader& reader, GenerationRequest& request) {
  const Json* stop = reader.Any("stop");
  if (stop == nullptr) return {};
  if (stop->is_string()) {
    request.stop.push_back(stop->get<std::string>());
  } else if (stop->is_array()) {
    for (const Json& text : *stop) {
      if (!text.is_string()) {
        return Refuse(ErrorCode::kInvalidArgument, "'stop' must be a string or a list of strings",
                      "stop");
      }
      request.stop.push_back(text.get<std::string>());
    }
  } else {
    return Refuse(ErrorCode::kInvalidArgument, "'stop' must be a string or a list of strings",
                  "stop");
  }
  std::erase(request.stop, "");
  if (request.stop.size() > kMaxStops) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "'stop' has more than " + std::to_string(kMaxStops) + " texts", "stop");
  }
  size_t bytes = 0;
  for (const std::string& text : request.stop) bytes += text.size();
  if (bytes > kMaxStopBytes || bytes * request.choices > kMaxStopBytesTimesChoices) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "the texts in 'stop' have " + std::to_string(bytes) + " bytes; at most " +
                      std::to_string(kMaxStopBytes) + ", and times 'n' at most " +
                      std::to_string(kMaxStopBytesTimesChoices),
                  "stop");
  }
  return {};
}

Status ReadStream(FieldReader& reader, GenerationFields& fields) {
  QUIRE_TRY(const auto stream, reader.Bool("stream"));
  fields.stream = stream.value_or(false);
  const Json* options = reader.Any("stream_options");
  if (options == nullptr) return {};
  if (!fields.stream) {
    return Refuse(ErrorCode::kInvalidArgument, "'stream_options' needs 'stream': true",
                  "stream_options");
  }
  QUIRE_TRY(FieldReader inner, FieldReader::Of(*options, "stream_options"));
  QUIRE_TRY(const auto usage, inner.Bool("include_usage"));
  fields.include_usage = usage.value_or(false);
  for (std::string& name : inner.Unknown()) fields.ignored.push_back(std::move(name));
  return {};
}

// What is to become of the KV that a request leaves behind. A time to live alone keeps it as long
// as there is room; with a pin, also when there is none.
Status ReadKvPolicy(FieldReader& reader, GenerationRequest& request) {
  const Json* policy = reader.Any("kv_policy");
  if (policy == nullptr) return {};
  QUIRE_TRY(FieldReader inner, FieldReader::Of(*policy, "kv_policy"));
  QUIRE_TRY(const auto no_store, inner.Bool("no_store"));
  QUIRE_TRY(const auto pin, inner.Bool("pin"));
  QUIRE_TRY(const auto ttl, inner.Integer("ttl_seconds", 1, kMaxTtlSeconds));
  for (const std::string& name : inner.Unknown()) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "'" + name + "' is not known; 'kv_policy' has 'pin', 'ttl_seconds', 'no_store'",
                  name);
  }
  request.no_store = no_store.value_or(false);
  if (request.no_store && (pin.value_or(false) || ttl)) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "'kv_policy.no_store' leaves nothing behind that could be kept or pinned",
                  "kv_policy.no_store");
  }
  if (pin.value_or(false)) {
    request.pin_seconds = static_cast<uint32_t>(ttl.value_or(kDefaultPinSeconds));
  } else if (ttl) {
    request.keep_seconds = static_cast<uint32_t>(*ttl);
  }
  return {};
}

Status ReadLength(FieldReader& reader, GenerationFields& fields) {
  QUIRE_TRY(const auto old_name, reader.Integer("max_tokens", 0, kMaxTokensBound));
  QUIRE_TRY(const auto new_name, reader.Integer("max_completion_tokens", 0, kMaxTokensBound));
  if (old_name && new_name && *old_name != *new_name) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "'max_tokens' and 'max_completion_tokens' contradict each other", "max_tokens");
  }
  if (old_name) fields.max_tokens = static_cast<uint32_t>(*old_name);
  if (new_name) fields.max_tokens = static_cast<uint32_t>(*new_name);
  QUIRE_TRY(const auto least, reader.Integer("min_tokens", 0, kMaxTokensBound));
  fields.request.min_tokens = static_cast<uint32_t>(least.value_or(0));
  if (fields.max_tokens && fields.request.min_tokens > *fields.max_tokens) {
    return Refuse(ErrorCode::kInvalidArgument, "'min_tokens' is more than 'max_tokens'",
                  "min_tokens");
  }
  return {};
}

Status ReadIdentity(FieldReader& reader, GenerationFields& fields) {
  QUIRE_TRY(auto model, reader.String("model"));
  fields.model = std::move(model).value_or("");
  QUIRE_TRY([[maybe_unused]] const auto user, reader.String("user"));
  QUIRE_TRY(auto salt, reader.String("cache_salt"));
  fields.request.cache_salt = std::move(salt).value_or("");
  QUIRE_TRY(auto conversation, reader.String("prompt_cache_key"));
  if (conversation && conversation->size() > kMaxConversationBytes) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "'prompt_cache_key' has " + std::to_string(conversation->size()) +
                      " bytes; at most " + std::to_string(kMaxConversationBytes),
                  "prompt_cache_key");
  }
  fields.request.conversation = std::move(conversation).value_or("");
  if (const Json* metadata = reader.Any("metadata"); metadata != nullptr) {
    QUIRE_TRY(RequestLabels labels, ReadLabels(*metadata));
    if (labels.empty()) fields.ignored.emplace_back("metadata");
    fields.request.route = std::move(labels.route);
    fields.request.version = std::move(labels.version);
  }
  QUIRE_TRY(const auto choices, reader.Integer("n", 1, kMaxChoices));
  fields.request.choices = static_cast<uint32_t>(choices.value_or(1));
  QUIRE_TRY(const auto hash, reader.Bool("return_logit_hash"));
  fields.request.return_logit_hash = hash.value_or(false);
  QUIRE_TRY(const auto ignore_eos, reader.Bool("ignore_eos"));
  fields.request.ignore_eos = ignore_eos.value_or(false);
  return {};
}

}  // namespace

Result<GenerationFields> ReadGenerationFields(FieldReader& reader) {
  GenerationFields fields;
  for (const Status& read :
       {ReadIdentity(reader, fields), ReadLength(reader, fields), ReadSampling(reader, fields),
        ReadLogitBias(reader, fields.request.sampling), ReadStop(reader, fields.request),
        ReadStream(reader, fields), ReadKvPolicy(reader, fields.request)}) {
    if (!read) return std::unexpected(read.error());
  }
  QUIRE_TRY(fields.form, ReadStructuredForm(reader));
  return fields;
}

Status FinishFields(const FieldReader& reader, const Json& body, Endpoint endpoint,
                    GenerationFields& fields) {
  for (std::string& name : reader.Unknown()) {
    const Unsupported* field = Find(name, endpoint);
    if (field == nullptr) {
      fields.ignored.push_back(std::move(name));
      continue;
    }
    const Json& value = body[name];
    if (IsOff(*field, value) || (name == "best_of" && value == fields.request.choices)) continue;
    std::string message = "'" + name + "' is not supported";
    if (!field->neutral.empty() && field->neutral != kNever) {
      message.append(" (only ").append(field->neutral).append(" is)");
    }
    if (!field->advice.empty()) message.append("; ").append(field->advice);
    return Refuse(ErrorCode::kUnsupported, std::move(message), name);
  }
  return {};
}

}  // namespace quire
