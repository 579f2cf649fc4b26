#include "server/openai/prompt_encoder.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "server/openai/tools/tool_conversation.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace quire {
namespace {

std::vector<std::string> ControlTexts(const Tokenizer& tokenizer) {
  std::vector<std::string> texts;
  for (uint32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const auto token = static_cast<TokenId>(id);
    if (tokenizer.IsControl(token)) texts.emplace_back(tokenizer.Piece(token));
  }
  return texts;
}

size_t LongestPieceBytes(const Tokenizer& tokenizer) {
  size_t longest = 1;
  for (uint32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    longest = std::max(longest, tokenizer.Piece(static_cast<TokenId>(id)).size());
  }
  return longest;
}

void AddSpecialTexts(const Tokenizer& tokenizer, Json& variables) {
  if (tokenizer.bos() != kNoToken) variables["bos_token"] = tokenizer.Piece(tokenizer.bos());
  if (tokenizer.eos() != kNoToken) variables["eos_token"] = tokenizer.Piece(tokenizer.eos());
}

}  // namespace

PromptEncoder::PromptEncoder(std::shared_ptr<const Tokenizer> tokenizer,
                             std::shared_ptr<const ChatTemplate> chat_template,
                             std::string why_none, uint64_t context_tokens)
    : tokenizer_(std::move(tokenizer)),
      template_(std::move(chat_template)),
      why_none_(std::move(why_none)),
      context_tokens_(context_tokens),
      longest_piece_bytes_(LongestPieceBytes(*tokenizer_)),
      guard_(ControlTexts(*tokenizer_)) {
  if (template_ == nullptr) return;
  const std::string mark = ControlTextGuard::DrawMark();
  traits_ =
      TemplateTraits::Find([&](Json variables) { return Render(std::move(variables), mark); });
}

// No token stands for more bytes than the longest piece, so counting bytes finds what cannot fit
// without the cost of encoding it.
Status PromptEncoder::CheckLength(size_t bytes, std::string_view param) const {
  if (context_tokens_ == 0 || bytes / longest_piece_bytes_ <= context_tokens_) return {};
  return Refuse(ErrorCode::kContextLength,
                "the prompt has " + std::to_string(bytes) + " bytes, but the context of " +
                    std::to_string(context_tokens_) + " tokens, of at most " +
                    std::to_string(longest_piece_bytes_) + " bytes each, holds no more than " +
                    std::to_string(context_tokens_ * longest_piece_bytes_) + "; shorten the prompt",
                std::string(param));
}

Result<std::string> PromptEncoder::Render(Json variables, std::string_view mark) const {
  if (!variables.contains("add_generation_prompt")) variables["add_generation_prompt"] = true;
  AddSpecialTexts(*tokenizer_, variables);
  auto rendered = template_->Render(variables);
  if (!rendered) {
    Error error = std::move(rendered).error();
    error.message = ControlTextGuard::WithoutMarks(error.message, mark);
    if (error.param.empty()) error.param = "messages";
    return std::unexpected(std::move(error));
  }
  return rendered;
}

Result<std::vector<TokenId>> PromptEncoder::Chat(const ChatRequest& request) const {
  QUIRE_TRY(EncodedChat encoded, EncodeChat(request));
  return std::move(encoded.tokens);
}

Status PromptEncoder::CheckTemplate() const {
  if (template_ != nullptr) return {};
  const std::string why = why_none_.empty()
                              ? "has no chat template"
                              : "has a chat template that cannot be read (" + why_none_ + ")";
  return Refuse(ErrorCode::kUnsupported,
                "this model " + why + "; use POST /v1/completions with a prompt of your own");
}

// The rendered text, and whether it holds marks.
Result<std::string> PromptEncoder::RenderMarked(const ChatRequest& request, bool asks,
                                                std::string_view mark, bool& marked) const {
  if (const Status can = CheckTemplate(); !can) return std::unexpected(can.error());
  const auto render = [&](bool write_calls) {
    Json variables = request.variables;
    AdaptTools(traits_, write_calls, variables);
    marked = guard_.MarkAll(variables, mark);
    variables["add_generation_prompt"] = asks;
    return Render(std::move(variables), mark);
  };
  auto attempt = render(request.tools.declared || request.variables.contains("tools"));
  if (!attempt && HasCalls(request.variables["messages"])) attempt = render(true);
  return attempt;
}

Result<PromptEncoder::RenderedChat> PromptEncoder::RenderChat(const ChatRequest& request,
                                                              bool asks) const {
  const std::string mark = ControlTextGuard::DrawMark();
  bool marked = false;
  QUIRE_TRY(std::string rendered, RenderMarked(request, asks, mark, marked));
  RenderedChat chat;
  if (marked) {
    chat.pieces = guard_.Split(rendered, mark);
  } else {
    chat.pieces.push_back({std::move(rendered), true});
  }
  for (const ControlTextGuard::Piece& piece : chat.pieces) chat.text += piece.text;
  return chat;
}

Result<std::vector<TokenId>> PromptEncoder::EncodeFrom(const RenderedChat& chat,
                                                       size_t from) const {
  if (const Status fits = CheckLength(chat.text.size() - from, "messages"); !fits) {
    return std::unexpected(fits.error());
  }
  std::vector<TokenId> tokens;
  for (const ControlTextGuard::Piece& piece : chat.pieces) {
    const size_t skipped = std::min(from, piece.text.size());
    from -= skipped;
    const auto part =
        tokenizer_->Encode(std::string_view(piece.text).substr(skipped),
                           {.add_special = false, .parse_special = piece.parse_special});
    tokens.insert(tokens.end(), part.begin(), part.end());
  }
  return tokens;
}

Result<PromptEncoder::EncodedChat> PromptEncoder::EncodeChat(const ChatRequest& request) const {
  const std::string mark = ControlTextGuard::DrawMark();
  bool marked = false;
  QUIRE_TRY(const std::string rendered, RenderMarked(request, true, mark, marked));
  QUIRE_TRY(std::vector<TokenId> tokens, EncodeRendered(rendered, marked ? mark : ""));
  const TokenId bos = tokenizer_->bos();
  if (tokenizer_->adds_bos() && bos != kNoToken && (tokens.empty() || tokens.front() != bos)) {
    tokens.insert(tokens.begin(), bos);
  }
  if (tokens.empty()) {
    return Refuse(ErrorCode::kInvalidArgument, "the chat template made an empty prompt",
                  "messages");
  }
  constexpr size_t kEnding = 64;
  const size_t ending = rendered.size() - std::min(rendered.size(), kEnding);
  return EncodedChat{std::move(tokens), rendered.substr(ending)};
}

// An empty `mark`: there is none in the text.
Result<std::vector<TokenId>> PromptEncoder::EncodeRendered(const std::string& rendered,
                                                           std::string_view mark) const {
  std::vector<TokenId> tokens;
  if (mark.empty()) {
    if (const Status fits = CheckLength(rendered.size(), "messages"); !fits) {
      return std::unexpected(fits.error());
    }
    tokens = tokenizer_->Encode(rendered, {.add_special = false, .parse_special = true});
  } else {
    const auto pieces = guard_.Split(rendered, mark);
    size_t bytes = 0;
    for (const ControlTextGuard::Piece& piece : pieces) bytes += piece.text.size();
    if (const Status fits = CheckLength(bytes, "messages"); !fits) {
      return std::unexpected(fits.error());
    }
    for (const ControlTextGuard::Piece& piece : pieces) {
      const auto part = tokenizer_->Encode(
          piece.text, {.add_special = false, .parse_special = piece.parse_special});
      tokens.insert(tokens.end(), part.begin(), part.end());
    }
  }
  return tokens;
}

Result<std::vector<TokenId>> PromptEncoder::Text(std::string_view text, bool parse_special) const {
  if (const Status fits = CheckLength(text.size(), "prompt"); !fits) {
    return std::unexpected(fits.error());
  }
  auto tokens = tokenizer_->Encode(text, {.add_special = true, .parse_special = parse_special});
  // With special tokens parsed, the text may bring its own BOS.
  const TokenId bos = tokenizer_->bos();
  if (parse_special && tokenizer_->adds_bos() && tokens.size() > 1 && tokens[0] == bos &&
      tokens[1] == bos) {
    tokens.erase(tokens.begin());
  }
  // EOS at the end of a prompt would tell the model that it is over.
  if (tokenizer_->adds_eos() && !tokens.empty() && tokens.back() == tokenizer_->eos()) {
    tokens.pop_back();
  }
  if (tokens.empty()) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "'prompt' has no tokens, and this model has none to begin with", "prompt");
  }
  return tokens;
}

Status PromptEncoder::CheckTokens(const std::vector<TokenId>& tokens,
                                  const std::string& param) const {
  if (tokens.empty()) {
    return Refuse(ErrorCode::kInvalidArgument, "'" + param + "' must not be empty", param);
  }
  const uint32_t size = tokenizer_->vocab_size();
  for (const TokenId token : tokens) {
    if (token >= 0 && static_cast<uint32_t>(token) < size) continue;
    return Refuse(ErrorCode::kInvalidArgument,
                  "'" + param + "' has token " + std::to_string(token) +
                      ", but the vocabulary has " + std::to_string(size) + " tokens",
                  param);
  }
  return {};
}

}  // namespace quire
