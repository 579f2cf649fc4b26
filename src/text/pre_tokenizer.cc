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
    R"(\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";

// Characters of Unicode 15.1 that the PCRE2 of Debian 12 (Unicode 14) does not know yet.
struct LaterCharacters {
  std::string_view property;
  std::string_view ranges;
};
constexpr std::string_view kLaterLetters =
    R"(\x{1123F}-\x{11240}\x{11F02}\x{11F04}-\x{11F10}\x{11F12}-\x{11F33}\x{1342F})"
    R"(\x{13441}-\x{13446}\x{1B132}\x{1B155}\x{1DF25}-\x{1DF2A}\x{1E030}-\x{1E06D})"
    R"(\x{1E4D0}-\x{1E4EB}\x{2B739}\x{2EBF0}-\x{2EE5D}\x{31350}-\x{323AF})";
constexpr LaterCharacters kLater[] = {
    {"{L}", kLaterLetters},
    {"{Lo}", kLaterLetters},
    {"{N}", R"(\x{11F50}-\x{11F59}\x{1D2C0}-\x{1D2D3}\x{1E4F0}-\x{1E4F9})"},
    {"{M}", R"(\x{CF3}\x{ECE}\x{10EFD}-\x{10EFF}\x{11241}\x{11F00}-\x{11F01}\x{11F03})"
            R"(\x{11F34}-\x{11F3A}\x{11F3E}-\x{11F42}\x{13440}\x{13447}-\x{13455})"
            R"(\x{1E08F}\x{1E4EC}-\x{1E4EF})"},
    {"{P}", R"(\x{11B00}-\x{11B09}\x{11F43}-\x{11F4F})"},
    {"{S}",
     R"(\x{2FFC}-\x{2FFF}\x{31EF}\x{1F6DC}\x{1F774}-\x{1F776}\x{1F77B}-\x{1F77F}\x{1F7D9})"
     R"(\x{1FA75}-\x{1FA77}\x{1FA87}-\x{1FA88}\x{1FAAD}-\x{1FAAF}\x{1FABB}-\x{1FABD}\x{1FABF})"
     R"(\x{1FACE}-\x{1FACF}\x{1FADA}-\x{1FADB}\x{1FAE8}\x{1FAF7}-\x{1FAF8})"},
};

// The members of a class that the escape at the start of `rest` stands for, where it must be
// written in another way; else empty. Sets `size` to the bytes of the escape.
std::string MembersOf(std::string_view rest, size_t* size) {
  *size = 2;
  if (rest.starts_with("\\s") || rest.starts_with("\\S")) return std::string(kSpaces);
  if (!rest.starts_with("\\p{")) return {};
  *size = rest.find('}') + 1;
  for (const LaterCharacters& later : kLater) {
    if (later.property == rest.substr(2, *size - 2)) {
      return std::string(rest.substr(0, *size)).append(later.ranges);
    }
  }
  return {};
}

// `regex` with \s, \S (never inside brackets) and \p as Unicode 15.1 has them.
std::string WrittenOut(std::string_view regex) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < regex.size(); ++i) {
    const char c = regex[i];
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    if (c != '\\') {
      out.push_back(c);
      continue;
    }
    size_t size = 0;
    const std::string members = MembersOf(regex.substr(i), &size);
    const bool brackets = !members.empty() && !in_class;
    if (brackets) out.append(regex[i + 1] == 'S' ? "[^" : "[");
    out.append(members.empty() ? regex.substr(i, size) : members);
    if (brackets) out.append("]");
    i += size - 1;
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
  const std::string written = WrittenOut(regex);
  int error = 0;
  PCRE2_SIZE at = 0;
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(written.data()), written.size(),
                          PCRE2_UTF | PCRE2_UCP, &error, &at, nullptr));
  QUIRE_CHECK(code != nullptr, "a pattern of the table does not compile");
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);  // without JIT it is merely slower
  return code;
}

// The ends of the words of one text, each beyond the one before.
class Ends {
 public:
  Ends(std::vector<uint32_t>& ends, uint32_t begin) : ends_(ends), last_(begin) {}
  void Add(uint32_t end) {
    if (end > last_) ends_.push_back(end);
    last_ = end;
  }

  // Where groups of three characters of [begin, end), counted from its end, begin.
  void AddThrees(std::string_view text, uint32_t begin, uint32_t end) {
    std::vector<uint32_t> starts;
    for (size_t at = begin; at < end; at += NextUtf8(text.substr(at)).size) {
      starts.push_back(static_cast<uint32_t>(at));
    }
    for (size_t i = 0; i < starts.size(); ++i) {
      if ((starts.size() - i) % 3 == 0) Add(starts[i]);
    }
  }

 private:
  std::vector<uint32_t>& ends_;
  uint32_t last_;
};

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
           std::vector<uint32_t>& all_ends) const {
    Ends ends(all_ends, begin);
    Subject subject = {reinterpret_cast<PCRE2_SPTR>(text.data() + begin), end - begin, 0};
    const PCRE2_SIZE* match = pcre2_get_ovector_pointer(data);
    while (subject.start < subject.size && Match(subject, data)) {
      const uint32_t match_begin = begin + static_cast<uint32_t>(match[0]);
      const uint32_t match_end = begin + static_cast<uint32_t>(match[1]);
      QUIRE_CHECK(match_end > match_begin, "a pattern matched nothing");
      if (mode != SplitMode::kBeforeThrees) ends.Add(match_begin);
      if (mode != SplitMode::kMatches) ends.AddThrees(text, match_begin, match_end);
      if (mode != SplitMode::kBeforeThrees) ends.Add(match_end);
      subject.start = match_end - begin;
    }
    ends.Add(end);
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
