// text/pre_tokenizer.h -- cuts a text into the words that merges never cross.
//
// Every model family trained its merges on words cut by its own regular expressions; the file
// only names them (`tokenizer.ggml.pre`). The patterns here are those the families published,
// with white space, letters and numbers as Unicode has them. A pattern is applied to each word
// that the pattern before it left: matches become words, and so does the text between them.
//
// Threads  immutable after Create; Split may be called by any number of threads.
// Errors   an unknown name is an Error that says what is known, never a default.
// Cost     linear in the text for the patterns in the table.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace quire {

// How one pattern is applied.
enum class SplitMode {
  kMatches,       // every match is a word
  kThreesInside,  // every match is cut into groups of three characters, counted from its end
  kBeforeThrees,  // the text is cut before each such group of three whole characters
};

struct SplitPattern {
  std::string_view regex;  // PCRE2; \s and \S mean Unicode's White_Space
  SplitMode mode = SplitMode::kMatches;
};

// What goes with a name beside its patterns.
struct PreTokenizerTraits {
  std::vector<SplitPattern> patterns;
  bool ignores_merges = false;  // a word that is a token is not merged from its bytes
  bool adds_bos = false;        // unless the file says otherwise
};
Result<PreTokenizerTraits> FindPreTokenizer(std::string_view name);
std::vector<std::string_view> PreTokenizerNames();  // all that are known, sorted

class PreTokenizer {
 public:
  static Result<PreTokenizer> Create(std::string_view name);
  PreTokenizer(PreTokenizer&&) noexcept;
  PreTokenizer& operator=(PreTokenizer&&) noexcept;
  ~PreTokenizer();

  // The ends of all words, ascending, in bytes; the last is text.size(). Nothing for an empty
  // text. Bytes that are not UTF-8 count as symbols (as U+FFFD does) and stay what they are.
  std::vector<uint32_t> Split(std::string_view text) const;

  bool ignores_merges() const { return ignores_merges_; }

 private:
  struct Step;
  PreTokenizer();
  std::vector<uint32_t> SplitValid(std::string_view text) const;
  std::vector<Step> steps_;
  bool ignores_merges_ = false;
};

}  // namespace quire
