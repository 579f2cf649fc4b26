// server/openai/prompt_encoder.h -- requests to token ids, the way the model was trained.
//
// Text prompts get BOS where the model asks for it; rendered chats get it unless the template
// wrote it already. Control tokens come from templates, never from a client's words
// (control_text_guard.h), except where the client asks with parse_special.
//
// Threads  immutable: any number of callers. Owner: shares what it is given.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "server/openai/chat_request.h"
#include "server/openai/completion_request.h"
#include "server/openai/control_text_guard.h"
#include "server/openai/tools/template_traits.h"

namespace quire {

class ChatTemplate;
class Tokenizer;

class PromptEncoder {
 public:
  // `why_none` tells users why there is no template, if the file has one. Texts that cannot fit
  // `context_tokens`, whatever they say, are refused before they cost anything; 0: no such bound.
  PromptEncoder(std::shared_ptr<const Tokenizer> tokenizer,
                std::shared_ptr<const ChatTemplate> chat_template, std::string why_none = {},
                uint64_t context_tokens = 0);

  // kInvalidArgument with the template's line if it refuses; kUnsupported without a template.
  // kContextLength for a text too long for any context.
  Result<std::vector<TokenId>> Chat(const ChatRequest& request) const;
  struct EncodedChat {
    std::vector<TokenId> tokens;
    std::string ending;  // the last bytes of the rendered text: what the answer continues
  };
  Result<EncodedChat> EncodeChat(const ChatRequest& request) const;

  // A chat as text, taken apart where a client's words must not become control tokens.
  struct RenderedChat {
    std::vector<ControlTextGuard::Piece> pieces;
    std::string text;  // all of them
  };
  // With `asks`, it ends with what the template puts before an answer. Errors as of Chat.
  Result<RenderedChat> RenderChat(const ChatRequest& request, bool asks) const;
  // The ids of what follows the first `from` bytes. kContextLength as above.
  Result<std::vector<TokenId>> EncodeFrom(const RenderedChat& chat, size_t from) const;

  // kContextLength as above; kInvalidArgument for an empty prompt and for ids outside the
  // vocabulary.
  Result<std::vector<TokenId>> Text(std::string_view text, bool parse_special) const;
  Status CheckTokens(const std::vector<TokenId>& tokens, const std::string& param) const;

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  // What the chat template can do with tools.
  const TemplateTraits& traits() const { return traits_; }

 private:
  Status CheckLength(size_t bytes, std::string_view param) const;
  Status CheckTemplate() const;
  Result<std::string> Render(Json variables, std::string_view mark) const;
  Result<std::string> RenderMarked(const ChatRequest& request, bool asks, std::string_view mark,
                                   bool& marked) const;
  Result<std::vector<TokenId>> EncodeRendered(const std::string& rendered,
                                              std::string_view mark) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const ChatTemplate> template_;
  std::string why_none_;
  uint64_t context_tokens_;
  size_t longest_piece_bytes_;
  ControlTextGuard guard_;
  TemplateTraits traits_;
};

}  // namespace quire
