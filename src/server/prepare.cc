#include "server/prepare.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "engine/engine.h"
#include "server/openai/chat_answer.h"
#include "server/openai/completion_answer.h"
#include "server/openai/fresh_id.h"
#include "server/openai/tools/legacy_functions.h"
#include "server/openai/tools/tool_form.h"
#include "text/tokenizer.h"

namespace quire {
namespace {

// Choices of all prompts of one request together.
constexpr uint64_t kMaxTotalChoices = 1024;

uint64_t RandomBits() {
  thread_local std::mt19937_64 generator{(uint64_t{std::random_device{}()} << 32) ^
                                         std::random_device{}()};
  return generator();
}

AnswerFacts MakeFacts(const ReadyModel& model, const RawRequest& raw,
                      const GenerationFields& fields) {
  AnswerFacts facts;
  facts.created = std::chrono::duration_cast<std::chrono::seconds>(
                      std::chrono::system_clock::now().time_since_epoch())
                      .count();
  facts.notes.request_id = raw.request_id;
  facts.notes.numerics = model.engine->numerics();
  facts.notes.ignored = fields.ignored;
  facts.notes.want_hashes = fields.request.return_logit_hash;
  facts.stream = fields.stream;
  facts.include_usage = fields.include_usage;
  facts.logprobs = fields.request.want_logprobs;
  facts.choices = fields.request.choices;
  facts.tokenizer = model.tokenizer;
  return facts;
}

// Puts the prompt into the request and settles max_tokens.
Result<GenerationRequest> Finish(const ReadyModel& model, const GenerationFields& fields,
                                 std::vector<TokenId> prompt) {
  const uint64_t context = model.engine->context_tokens();
  const uint64_t least = fields.cut_max_tokens ? 1 : fields.max_tokens.value_or(1);
  if (prompt.size() + least > context) {
    std::string message = "the context of this model is " + std::to_string(context) +
                          " tokens, but the prompt has " + std::to_string(prompt.size());
    if (fields.max_tokens && !fields.cut_max_tokens)
      message += " and max_tokens is " + std::to_string(least);
    return Refuse(ErrorCode::kContextLength,
                  message + "; shorten the prompt" + (fields.max_tokens ? " or max_tokens" : ""),
                  prompt.size() < context && fields.max_tokens ? "max_tokens" : "prompt");
  }
  GenerationRequest request = fields.request;
  if (fields.form && !request.grammar) {
    QUIRE_TRY(request.grammar, CompileForm(*model.grammars, *fields.form));
  }
  // Without a wish: as many as context and KV memory have room for.
  const auto room = static_cast<uint32_t>(context - prompt.size());
  request.max_tokens = fields.max_tokens.value_or(room);
  request.cut_max_tokens = !fields.max_tokens || request.max_tokens > room;
  request.max_tokens = std::min(request.max_tokens, room);
  request.prompt = std::move(prompt);
  return request;
}

void SettleSeed(GenerationFields& fields) {
  if (!fields.has_seed) fields.request.sampling.seed = RandomBits();
}

Status CheckBias(const ReadyModel& model, const GenerationFields& fields) {
  for (const auto& [token, bias] : fields.request.sampling.logit_bias) {
    if (static_cast<uint32_t>(token) >= model.tokenizer->vocab_size()) {
      return Refuse(
          ErrorCode::kInvalidArgument,
          "'logit_bias' has token " + std::to_string(token) + ", which is not in the vocabulary",
          "logit_bias");
    }
  }
  return {};
}

// The control tokens that the reader of the answer must see.
std::vector<TokenId> ShownControl(const Tokenizer& tokenizer, const ReplyOptions& reply) {
  std::vector<TokenId> shown;
  for (const std::string_view mark : ReplyMarks(reply.format, !reply.tools.empty())) {
    const auto tokens = tokenizer.Encode(mark, {.add_special = false, .parse_special = true});
    if (tokens.size() == 1 && tokenizer.IsControl(tokens[0])) shown.push_back(tokens[0]);
  }
  return shown;
}

struct Prompts {
  std::vector<std::vector<TokenId>> tokens;
  std::vector<std::string> echoes;
};

Result<Prompts> EncodePrompts(const ReadyModel& model, const CompletionRequest& request) {
  Prompts out;
  for (const Prompt& prompt : request.prompts) {
    if (const auto* text = std::get_if<std::string>(&prompt)) {
      QUIRE_TRY(auto tokens, model.encoder.Text(*text, request.parse_special));
      out.tokens.push_back(std::move(tokens));
      if (request.echo) out.echoes.push_back(*text);
      continue;
    }
    const auto& tokens = std::get<std::vector<TokenId>>(prompt);
    const Status checked = model.encoder.CheckTokens(tokens, "prompt");
    if (!checked) return std::unexpected(checked.error());
    out.tokens.push_back(tokens);
    if (request.echo) out.echoes.push_back(ToValidUtf8(model.tokenizer->Decode(tokens, true)));
  }
  return out;
}

// The prompts of one request are taken together or not at all: more than an idle server holds could
// be refused as overloaded for ever.
Status CheckTotal(const ReadyModel& model, const CompletionRequest& request) {
  const EngineOptions& options = model.engine->options();
  const uint64_t room = uint64_t{options.queue_limit} + options.max_sequences;
  const uint64_t prompts = request.prompts.size();
  const uint64_t total = request.fields.request.choices * prompts;
  const uint64_t most = std::min(kMaxTotalChoices, room);
  if (total <= most || prompts == 1) return {};
  return Refuse(ErrorCode::kInvalidArgument,
                std::to_string(prompts) + " prompts with " +
                    std::to_string(request.fields.request.choices) + " answers each are " +
                    std::to_string(total) + " answers; one request may ask for " +
                    std::to_string(most) + ": send several requests",
                "prompt");
}

// By what came since the last answer.
TurnKind TurnOf(const Json& messages) {
  TurnKind since = TurnKind::kNext;
  for (auto message = messages.rbegin(); message != messages.rend(); ++message) {
    const Json& role = (*message)["role"];
    if (role == "assistant") return since;
    if (role == "tool") since = TurnKind::kToolReturn;
  }
  return TurnKind::kFirst;
}

// What a schema says is a text, and nothing else.
bool IsText(const Json& schema) {
  if (!schema.is_object()) return false;
  if (const auto type = schema.find("type"); type != schema.end()) return *type == "string";
  const auto values = schema.find("enum");
  const auto is_string = [](const Json& value) { return value.is_string(); };
  return values != schema.end() && values->is_array() && std::ranges::all_of(*values, is_string);
}

void AddTool(const Tool& tool, ReplyOptions& reply) {
  reply.tools.push_back(tool.name);
  const auto properties = tool.parameters.find("properties");
  if (properties == tool.parameters.end() || !properties->is_object()) return;
  for (const auto& [name, schema] : properties->items()) {
    if (IsText(schema)) reply.text_parameters.emplace(tool.name, name);
  }
}

bool CallsTool(const ReplyOptions& reply, std::string_view text) {
  ReplyEvents events;
  const auto parser = MakeReplyParser(reply);
  parser->Append(text, events);
  parser->Finish(events);
  return std::ranges::find(events, ReplyEvent::Kind::kCallEnd, &ReplyEvent::kind) != events.end();
}

}  // namespace

Result<GenerationRequest> FinishGeneration(const ReadyModel& model, GenerationFields& fields,
                                           std::vector<TokenId> prompt) {
  if (const Status bias = CheckBias(model, fields); !bias) return std::unexpected(bias.error());
  SettleSeed(fields);
  return Finish(model, fields, std::move(prompt));
}

Result<PreparedChat> PrepareConversation(const ReadyModel& model, ChatRequest& request) {
  PreparedChat prepared;
  QUIRE_TRY(prepared.model, model.NameFor(request.fields.model));
  const Status bias = CheckBias(model, request.fields);
  if (!bias) return std::unexpected(bias.error());
  SettleSeed(request.fields);
  const TurnKind turn = TurnOf(request.variables["messages"]);
  QUIRE_TRY(auto chat, model.encoder.EncodeChat(request));
  ReplyOptions& reply = prepared.reply;
  for (const Tool& tool : request.tools.tools) AddTool(tool, reply);
  reply.format = model.FormatFor(!reply.tools.empty());
  reply.starts_in_reasoning = EndsInReasoning(reply.format, chat.ending);
  reply.one_call = !request.tools.parallel;
  const ToolFormContext context = {reply.format, reply.starts_in_reasoning, model.chat_template,
                                   *model.tokenizer};
  QUIRE_TRY(request.fields.form, ToolForm(request.tools, context, std::move(request.fields.form)));
  auto finished = Finish(model, request.fields, std::move(chat.tokens));
  if (!finished) {
    Error error = std::move(finished).error();
    if (error.param == "prompt") error.param = "messages";
    return std::unexpected(std::move(error));
  }
  prepared.request = *std::move(finished);
  prepared.request.shown_control = ShownControl(*model.tokenizer, reply);
  prepared.request.turn = turn;
  if (!reply.tools.empty()) {
    prepared.request.calls_tool = [reply](std::string_view text) { return CallsTool(reply, text); };
  }
  return prepared;
}

Result<PreparedGeneration> PrepareChat(const ReadyModel& model, const RawRequest& raw) {
  QUIRE_TRY(ChatRequest request, ParseChatRequest(raw.body));
  auto chat = PrepareConversation(model, request);
  if (!chat) {
    Error error = std::move(chat).error();
    return std::unexpected(request.legacy_functions ? InLegacyWords(std::move(error)) : error);
  }
  AnswerFacts facts = MakeFacts(model, raw, request.fields);
  facts.id = FreshId("chatcmpl-");
  facts.model = std::move(chat->model);
  facts.reply = std::move(chat->reply);
  facts.legacy_functions = request.legacy_functions;
  PreparedGeneration prepared;
  prepared.requests.push_back(std::move(chat->request));
  prepared.answer = std::make_unique<OpenAiChatAnswer>(std::move(facts));
  return prepared;
}

Result<PreparedGeneration> PrepareCompletion(const ReadyModel& model, const RawRequest& raw) {
  QUIRE_TRY(CompletionRequest request, ParseCompletionRequest(raw.body));
  QUIRE_TRY(std::string name, model.NameFor(request.fields.model));
  const Status bias = CheckBias(model, request.fields);
  if (!bias) return std::unexpected(bias.error());
  if (const Status total = CheckTotal(model, request); !total) {
    return std::unexpected(total.error());
  }
  SettleSeed(request.fields);
  QUIRE_TRY(Prompts prompts, EncodePrompts(model, request));
  PreparedGeneration prepared;
  for (auto& tokens : prompts.tokens) {
    QUIRE_TRY(GenerationRequest one, Finish(model, request.fields, std::move(tokens)));
    prepared.requests.push_back(std::move(one));
  }
  AnswerFacts facts = MakeFacts(model, raw, request.fields);
  facts.id = FreshId("cmpl-");
  facts.model = std::move(name);
  facts.prompts = static_cast<uint32_t>(prepared.requests.size());
  prepared.answer = std::make_unique<CompletionAnswer>(std::move(facts), std::move(prompts.echoes));
  return prepared;
}

Result<std::string> Tokenize(const ReadyModel& model, const std::string& text) {
  QUIRE_TRY(const Json body, ParseJson(text));
  QUIRE_TRY(FieldReader reader, FieldReader::Of(body));
  QUIRE_TRY(const auto content, reader.String("content"));
  QUIRE_TRY(const auto add_special, reader.Bool("add_special"));
  QUIRE_TRY(const auto parse_special, reader.Bool("parse_special"));
  if (!content) return Refuse(ErrorCode::kInvalidArgument, "'content' is missing", "content");
  const auto tokens = model.tokenizer->Encode(
      *content, {add_special.value_or(false), parse_special.value_or(false)});
  JsonWriter json;
  json.BeginObject().Key("tokens").BeginArray();
  for (const TokenId token : tokens) json.Number(token);
  json.EndArray().EndObject();
  return json.Take();
}

Result<std::string> Detokenize(const ReadyModel& model, const std::string& text) {
  QUIRE_TRY(const Json body, ParseJson(text));
  QUIRE_TRY(FieldReader reader, FieldReader::Of(body));
  const Json* list = reader.Any("tokens");
  if (list == nullptr) return Refuse(ErrorCode::kInvalidArgument, "'tokens' is missing", "tokens");
  QUIRE_TRY(const std::vector<TokenId> tokens, ReadTokens(*list, "tokens"));
  if (!tokens.empty()) {
    const Status checked = model.encoder.CheckTokens(tokens, "tokens");
    if (!checked) return std::unexpected(checked.error());
  }
  JsonWriter json;
  json.BeginObject().Field("content", model.tokenizer->Decode(tokens, true)).EndObject();
  return json.Take();
}

}  // namespace quire
