#include "server/sessions/session_fields.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "server/openai/completion_request.h"

namespace quire {
namespace {

constexpr int64_t kMostTokens = std::numeric_limits<int32_t>::max();
constexpr int64_t kLeastWindow = 16;
constexpr uint32_t kSummaryShare = 16;  // of the window, if the client says nothing

std::unexpected<Error> Bad(const std::string& path, const std::string& what) {
  return Refuse(ErrorCode::kInvalidArgument, "'" + path + "' " + what, path);
}

// An empty body asks for nothing in particular.
Result<Json> ParseBody(const std::string& body) {
  if (body.empty()) return Json(Json::object());
  return ParseJson(body);
}

Status RefuseUnknown(const FieldReader& reader) {
  const std::vector<std::string> unknown = reader.Unknown();
  if (unknown.empty()) return {};
  return Bad(reader.PathOf(unknown.front()), "is not known here");
}

Status ReadSummary(const Json& summary, StreamWindow& stream) {
  QUIRE_TRY(FieldReader reader, FieldReader::Of(summary, "stream.summary"));
  QUIRE_TRY(auto prompt, reader.String("prompt"));
  QUIRE_TRY(const auto most, reader.Integer("max_tokens", 1, kMostTokens));
  if (const Status known = RefuseUnknown(reader); !known) return known;
  if (!prompt || prompt->empty()) {
    return Bad("stream.summary.prompt", "is missing: what shall the model be asked?");
  }
  stream.summary_prompt = *std::move(prompt);
  stream.summary_tokens = static_cast<uint32_t>(
      most.value_or(std::max<uint32_t>(1, stream.window_tokens / kSummaryShare)));
  return {};
}

Result<StreamWindow> ReadStream(const Json& stream) {
  QUIRE_TRY(FieldReader reader, FieldReader::Of(stream, "stream"));
  QUIRE_TRY(const auto sink, reader.Integer("sink_tokens", 0, kMostTokens));
  QUIRE_TRY(const auto window, reader.Integer("window_tokens", kLeastWindow, kMostTokens));
  const Json* const summary = reader.Any("summary");
  if (const Status known = RefuseUnknown(reader); !known) return std::unexpected(known.error());
  if (!window) return Bad("stream.window_tokens", "is missing");
  StreamWindow out;
  out.sink_tokens = static_cast<uint32_t>(sink.value_or(0));
  out.window_tokens = static_cast<uint32_t>(*window);
  if (summary != nullptr) {
    if (const Status read = ReadSummary(*summary, out); !read) {
      return std::unexpected(read.error());
    }
  }
  if (uint64_t{out.sink_tokens} + out.summary_tokens > out.window_tokens / 4) {
    return Bad(out.sink_tokens > out.window_tokens / 4 ? "stream.sink_tokens"
                                                       : "stream.summary.max_tokens",
               "is too much: sink and summary may fill a quarter of 'window_tokens', for half of "
               "the window goes on when it is full, and they with it");
  }
  return out;
}

// Fields that have a meaning for every answer; checked now, so that no answer fails by them.
Status CheckSettings(const Json& settings) {
  QUIRE_TRY(FieldReader reader, FieldReader::Of(settings, "settings"));
  QUIRE_TRY([[maybe_unused]] const GenerationFields fields, ReadGenerationFields(reader));
  for (const char* name : {"stream", "stream_options", "n", "model"}) {
    if (settings.contains(name)) return Bad("settings." + std::string(name), "is of one answer");
  }
  return RefuseUnknown(reader);
}

}  // namespace

Result<NewSession> ParseNewSession(const std::string& body) {
  QUIRE_TRY(const Json json, ParseBody(body));
  QUIRE_TRY(FieldReader reader, FieldReader::Of(json));
  NewSession session;
  QUIRE_TRY(auto id, reader.String("id"));
  QUIRE_TRY(auto model, reader.String("model"));
  QUIRE_TRY(const auto ttl, reader.Integer("ttl_seconds", 1, kMaxSessionTtlSeconds));
  QUIRE_TRY(const auto seed, reader.Integer("seed", std::numeric_limits<int64_t>::min(),
                                            std::numeric_limits<int64_t>::max()));
  if (id) {
    if (const Status fits = CheckSessionId(*id); !fits) return std::unexpected(fits.error());
    session.id = *std::move(id);
  }
  session.model = std::move(model).value_or("");
  session.ttl_seconds = static_cast<uint32_t>(ttl.value_or(0));
  if (seed) session.seed = static_cast<uint64_t>(*seed);
  if (const Json* settings = reader.Any("settings"); settings != nullptr) {
    if (const Status fit = CheckSettings(*settings); !fit) return std::unexpected(fit.error());
    session.settings = *settings;
    const auto own = settings->find("seed");
    if (own != settings->end() && own->is_number_integer() && !seed) {
      session.seed = static_cast<uint64_t>(own->get<int64_t>());
    }
    session.settings.erase("seed");  // kept beside them, for it may change
  }
  if (const Json* stream = reader.Any("stream"); stream != nullptr) {
    QUIRE_TRY(session.stream, ReadStream(*stream));
  }
  if (const Status known = RefuseUnknown(reader); !known) return std::unexpected(known.error());
  return session;
}

Result<Appended> ParseAppend(const std::string& body) {
  QUIRE_TRY(const Json json, ParseBody(body));
  QUIRE_TRY(FieldReader reader, FieldReader::Of(json));
  Appended appended;
  QUIRE_TRY(appended.text, reader.String("text"));
  const Json* tokens = reader.Any("tokens");
  const bool has_messages = reader.Any("messages") != nullptr;
  if ((appended.text ? 1 : 0) + (tokens != nullptr ? 1 : 0) + (has_messages ? 1 : 0) != 1) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "one of 'text', 'messages' and 'tokens' is needed, and not two of them");
  }
  if (has_messages) {
    QUIRE_TRY(appended.chat, ReadChatRequest(json));  // with tools and chat_template_kwargs
    if (!appended.chat->fields.ignored.empty()) {
      return Bad(appended.chat->fields.ignored.front(), "is not known here");
    }
    return appended;
  }
  if (tokens != nullptr) {
    QUIRE_TRY(appended.tokens, ReadTokens(*tokens, "tokens"));
  }
  QUIRE_TRY(const auto special, reader.Bool("parse_special"));
  appended.parse_special = special.value_or(false);
  QUIRE_TRY(const auto keep, reader.Bool("keep"));
  appended.keep = keep.value_or(false);
  if (const Status known = RefuseUnknown(reader); !known) return std::unexpected(known.error());
  return appended;
}

Result<Truncation> ParseTruncation(const std::string& body) {
  QUIRE_TRY(const Json json, ParseBody(body));
  QUIRE_TRY(FieldReader reader, FieldReader::Of(json));
  QUIRE_TRY(const auto tokens, reader.Integer("tokens", 0, kMostTokens));
  QUIRE_TRY(const auto messages, reader.Integer("messages", 0, kMostTokens));
  if (const Status known = RefuseUnknown(reader); !known) return std::unexpected(known.error());
  if (tokens.has_value() == messages.has_value()) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "how many 'tokens' or 'messages' are to be kept? One of them is needed");
  }
  Truncation truncation;
  if (tokens) truncation.tokens = static_cast<uint32_t>(*tokens);
  if (messages) truncation.messages = static_cast<uint32_t>(*messages);
  return truncation;
}

Result<std::string> ParseForkId(const std::string& body) {
  QUIRE_TRY(const Json json, ParseBody(body));
  QUIRE_TRY(FieldReader reader, FieldReader::Of(json));
  QUIRE_TRY(auto id, reader.String("id"));
  if (const Status known = RefuseUnknown(reader); !known) return std::unexpected(known.error());
  if (!id) return std::string();
  if (const Status fits = CheckSessionId(*id); !fits) return std::unexpected(fits.error());
  return *std::move(id);
}

Result<std::string> ParseHandoffTo(const std::string& body) {
  QUIRE_TRY(const Json json, ParseBody(body));
  QUIRE_TRY(FieldReader reader, FieldReader::Of(json));
  QUIRE_TRY(const auto to, reader.String("to"));
  if (const Status known = RefuseUnknown(reader); !known) return std::unexpected(known.error());
  if (!to || to->empty()) return Bad("to", "must name a peer");
  return *to;
}

Result<uint32_t> ParsePinSeconds(const std::string& body) {
  QUIRE_TRY(const Json json, ParseBody(body));
  QUIRE_TRY(FieldReader reader, FieldReader::Of(json));
  QUIRE_TRY(const auto ttl, reader.Integer("ttl_seconds", 1, kMaxTtlSeconds));
  if (const Status known = RefuseUnknown(reader); !known) return std::unexpected(known.error());
  return static_cast<uint32_t>(ttl.value_or(kDefaultPinSeconds));
}

Result<GenerationFields> ParseSessionGeneration(const std::string& body,
                                                const std::string& settings) {
  QUIRE_TRY(Json json, ParseBody(body));
  if (!json.is_object()) return Bad("body", "must be an object");
  if (!settings.empty()) {
    QUIRE_TRY(const Json defaults, ParseJson(settings));
    for (const auto& [name, value] : defaults.items()) {
      if (!json.contains(name) || json[name].is_null()) json[name] = value;
    }
  }
  QUIRE_TRY(FieldReader reader, FieldReader::Of(json));
  QUIRE_TRY(GenerationFields fields, ReadGenerationFields(reader));
  for (const char* name :
       {"prompt", "messages", "echo", "logprobs", "parse_special", "text", "tokens"}) {
    if (json.contains(name) && !json[name].is_null() && json[name] != false) {
      return Refuse(ErrorCode::kUnsupported,
                    "'" + std::string(name) + "' is not supported when a session generates" +
                        (std::string_view(name) == "logprobs" ? "" : "; append what it is to read"),
                    name);
    }
  }
  if (fields.request.choices != 1)
    return Bad("n", "must be 1: a session goes on in one way; fork it");
  if (!fields.max_tokens) fields.max_tokens = kDefaultCompletionTokens;
  if (fields.max_tokens == 0u) return Bad("max_tokens", "must be at least 1; append reads only");
  if (fields.request.min_tokens > *fields.max_tokens) {
    return Bad("min_tokens", "is more than 'max_tokens'");
  }
  if (const Status done = FinishFields(reader, json, Endpoint::kCompletions, fields); !done) {
    return std::unexpected(done.error());
  }
  return fields;
}

}  // namespace quire
