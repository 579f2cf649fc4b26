#include "text/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <utility>

#include "base/check.h"
#include "text/utf8.h"

namespace quire {
namespace {

// Unicode's White_Space. PCRE2's own \s has U+180E as well, which no tokenizer counts as a space.
constexpr std::string_view kSpaces =
    "\\t-\\r "
    "\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}";

// `regex` with \s and \S written out. \S does not occur inside brackets.
std::string SpacesWrittenOut(std::string_view regex) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < regex.size(); ++i) {
    const char c = regex[i];
    if (c == '\\' && i + 1 < regex.size()) {
      const char escaped = regex[++i];
      if (escaped == 's' && in_class) {
        out.append(kSpaces);
      } else if (escaped == 's' || escaped == 'S') {
        out.append(escaped == 's' ? "[" : "[^").append(kSpaces).append("]");
      } else {
        out.append({c, escaped});
      }
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    out.push_back(c);
  }
  return out;
}

struct CodeDeleter {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct MatchDataDeleter {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
using Code = std::unique_ptr<pcre2_code, CodeDeleter>;
using MatchData = std::unique_ptr<pcre2_match_data, MatchDataDeleter>;

Code Compile(std::string_view regex) {
  const std::string written = SpacesWrittenOut(regex);
  int error = 0;
  PCRE2_SIZE at = 0;
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(written.data()), written.size(),
                          PCRE2_UTF | PCRE2_UCP, &error, &at, nullptr));
  QUIRE_CHECK(code != nullptr, "a pattern of the table does not compile");
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);  // without JIT it is merely slower
  return code;
}

// Appends the ends of groups of three characters in [begin, end), the odd ones first.
void AppendThrees(std::string_view text, uint32_t begin, uint32_t end,
                  std::vector<uint32_t>& ends) {
  std::vector<uint32_t> characters;
  for (uint32_t at = begin; at < end;) {
    at += static_cast<uint32_t>(NextUtf8(text.substr(at)).size);
    characters.push_back(at);
  }
  for (size_t i = 0; i < characters.size(); ++i) {
    if ((characters.size() - 1 - i) % 3 == 0) ends.push_back(characters[i]);
  }
}

// The text with every byte that is not UTF-8 replaced by U+FFFD.
std::string Repaired(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Utf8Step step = NextUtf8(text.substr(at));
    if (step.kind == Utf8Kind::kValid) {
      out.append(text, at, step.size);
    } else {
      for (size_t i = 0; i < step.size; ++i) out.append(kReplacementCharacter);
    }
    at += step.size;
  }
  return out;
}

// Ends in Repaired(text) as ends in `text`.
void MapBack(std::string_view text, std::vector<uint32_t>& ends) {
  size_t at = 0;        // in text
  size_t repaired = 0;  // the same place in Repaired(text)
  for (uint32_t& end : ends) {
    while (repaired < end) {
      const Utf8Step step = NextUtf8(text.substr(at));
      const bool valid = step.kind == Utf8Kind::kValid;
      repaired += valid ? step.size : kReplacementCharacter.size();
      at += valid ? step.size : 1;
    }
    end = static_cast<uint32_t>(at);
  }
}

}  // namespace

struct PreTokenizer::Step {
  Code code;
  SplitMode mode;

  struct Subject {
    PCRE2_SPTR text;
    uint32_t size;
    uint32_t start;
  };

  // Whether there is a match at or after `start`. A text on which JIT code runs out of its stack
  // goes through the interpreter, which takes its memory from the heap.
  bool Match(const Subject& subject, pcre2_match_data* data) const {
    const auto run = [&](uint32_t options) {
      return pcre2_match(code.get(), subject.text, subject.size, subject.start,
                         PCRE2_NO_UTF_CHECK | options, data, nullptr);
    };
    const int result = run(0);
    return (result == PCRE2_ERROR_JIT_STACKLIMIT ? run(PCRE2_NO_JIT) : result) >= 0;
  }

  // Cuts the word [begin, end) of `text` and appends the ends of its parts.
  void Cut(std::string_view text, uint32_t begin, uint32_t end, pcre2_match_data* data,
           std::vector<uint32_t>& ends) const {
    const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data() + begin);
    const uint32_t size = end - begin;
    const PCRE2_SIZE* match = pcre2_get_ovector_pointer(data);
    for (uint32_t at = 0; at < size;) {
      if (!Match({subject, size, at}, data)) break;
      const uint32_t match_begin = static_cast<uint32_t>(match[0]);
      const uint32_t match_end = static_cast<uint32_t>(match[1]);
      QUIRE_CHECK(match_end > at && match_end > match_begin, "a pattern matched nothing");
      if (match_begin > at) ends.push_back(begin + match_begin);
      if (mode == SplitMode::kMatches) {
        ends.push_back(begin + match_end);
      } else {
        AppendThrees(text, begin + match_begin, begin + match_end, ends);
      }
      at = match_end;
    }
    if (ends.empty() || ends.back() < end) ends.push_back(end);
  }
};

PreTokenizer::PreTokenizer() = default;
PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;
PreTokenizer& PreTokenizer::operator=(PreTokenizer&&) noexcept = default;
PreTokenizer::~PreTokenizer() = default;

Result<PreTokenizer> PreTokenizer::Create(std::string_view name) {
  QUIRE_TRY(const PreTokenizerTraits traits, FindPreTokenizer(name));
  PreTokenizer made;
  made.ignores_merges_ = traits.ignores_merges;
  for (const SplitPattern& pattern : traits.patterns) {
    made.steps_.push_back({Compile(pattern.regex), pattern.mode});
  }
  return made;
}

std::vector<uint32_t> PreTokenizer::Split(std::string_view text) const {
  if (text.empty()) return {};
  if (IsValidUtf8(text)) return SplitValid(text);
  std::vector<uint32_t> ends = SplitValid(Repaired(text));
  MapBack(text, ends);
  return ends;
}

std::vector<uint32_t> PreTokenizer::SplitValid(std::string_view text) const {
  QUIRE_CHECK(text.size() < UINT32_MAX, "a text of 4 GiB");
  const MatchData data(pcre2_match_data_create(1, nullptr));
  std::vector<uint32_t> ends = {static_cast<uint32_t>(text.size())};
  std::vector<uint32_t> cut;
  for (const Step& step : steps_) {
    cut.clear();
    cut.reserve(ends.size() + text.size() / 5);
    uint32_t begin = 0;
    for (const uint32_t end : ends) {
      step.Cut(text, begin, end, data.get(), cut);
      begin = end;
    }
    ends.swap(cut);
  }
  return ends;
}

}  // namespace quire
