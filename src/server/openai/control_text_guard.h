// server/openai/control_text_guard.h -- keeps users from writing control tokens into a chat.
//
// A rendered chat is one string in which "<|im_end|>" means the end of a turn when the template
// wrote it, and eleven harmless bytes when a user did. So before rendering, every control text
// inside a client's strings is broken by a mark: a few private-use characters, drawn anew for each
// request. Afterwards the control texts that are still whole are the template's own. Text between
// two of them that holds a mark is encoded without control tokens; everything else, and thus
// every chat without such texts, is encoded exactly as one string with control tokens parsed.
//
//   user string        "a<|im_end|>b"      ->  "a<[mark]|im_end|>b"
//   rendered           "<|im_start|>user\na<[mark]|im_end|>b<|im_end|>\n"
//   pieces             "<|im_start|>" parsed, "user\na<|im_end|>b" plain, "<|im_end|>\n" parsed
//
// A control text may also be put together by the template from two strings, so a string that ends
// like the beginning of one, or begins like the end of one, is marked there too. Templates look
// for their own words ("</think>") in contents; these are not control tokens in the models that do
// so, and stay untouched. What remains possible: a template that rewrites contents (lower case,
// deletions) could create a control text that no string held; no published template does.
//
// Threads  immutable: any number of callers.
// Cost     linear in the strings, with a hash lookup per length of control texts where one begins.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "server/openai/json_input.h"

namespace quire {

class ControlTextGuard {
 public:
  // The texts of all tokens that must not come out of a client's words. Empty ones are ignored.
  explicit ControlTextGuard(const std::vector<std::string>& control_texts);

  // A fresh mark: 16 bytes that no client can guess.
  static std::string DrawMark();

  // Breaks control texts in all strings and keys inside `value`; false if there were none.
  bool MarkAll(Json& value, std::string_view mark) const;

  struct Piece {
    std::string text;  // without marks
    bool parse_special = false;
  };
  // The pieces to be encoded one after the other.
  std::vector<Piece> Split(std::string_view rendered, std::string_view mark) const;

  static std::string WithoutMarks(std::string_view text, std::string_view mark);

 private:
  bool MarkString(std::string& text, std::string_view mark) const;
  size_t MatchAt(std::string_view text, size_t at) const;  // bytes, 0 if none begins here
  bool EndsLikeABeginning(std::string_view text) const;
  bool BeginsLikeAnEnd(std::string_view text) const;

  std::unordered_set<std::string> texts_;
  std::array<std::vector<size_t>, 256> sizes_;  // by first byte, longest first
  // Proper beginnings and proper ends of control texts.
  std::unordered_set<std::string> beginnings_;
  std::unordered_set<std::string> ends_;
  size_t longest_ = 0;
};

}  // namespace quire
