// The patterns of every pre-tokenizer name that Quire knows, and what else goes with a name.
//
// Kept as published where the family published them. Where a published pattern has possessive or
// case-insensitive parts that PCRE2 would read differently, or would run in quadratic time, it is
// written in another way that matches the same. Case-insensitive contractions mean ASCII letters.

#include <algorithm>
#include <string>
#include <utility>

#include "text/pre_tokenizer.h"

namespace quire {
namespace {

using P = SplitPattern;

constexpr P kDigit = {R"(\p{N})"};
constexpr P kDigits = {R"(\p{N}+)"};
constexpr P kUpToThreeDigits = {R"(\p{N}{1,3})"};
constexpr P kNewline = {R"([\r\n])"};

constexpr P kGpt2Words = {
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"};

constexpr P kLlama3Words = {R"('[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
                            R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
                            R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"};

constexpr P kQwen2Words = {R"('[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
                           R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
                           R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"};

constexpr P kQwen35Words = {
    R"('[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
    R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"};

// Turkish: an apostrophe and the suffix after it stay together.
constexpr P kUfakzekaWords = {
    R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};

constexpr P kMiniCpm5Words = {R"('[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
                              R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*)"
                              R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"};

constexpr P kSeedCoderWords = {R"('[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
                               R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+)"
                               R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"};

constexpr P kBailingWords = {R"('(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE]))"
                             R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
                             R"(|\s*[\r\n]|\s+(?!\S)|\s+)"};

// White space in powers of two.
constexpr P kJais2Words = {
    R"('[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
    R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+)"
    R"(|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S))"
    R"(|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})"};

// Letters joined over single spaces: a word is a clause.
constexpr P kExaoneMoeWords = {R"('[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
                               R"(|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*+(?: \p{L}\p{M}*+)*+)++|\p{N})"
                               R"(| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)"};

// Words in which lower case never precedes upper case (tekken, o200k).
constexpr P kTekkenWords = {
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};

constexpr P kGpt4oWords = {
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};

// As gpt-4o, one digit at a time, after scripts and their punctuation were set apart.
constexpr P kYoutuScripts = {
    R"([가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+)"};
constexpr P kYoutuWords = {
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};

// As gpt-4o, Chinese characters set apart. The negated classes are "upper case, or neither case,
// but not Chinese" and the same for lower case: PCRE2 has no intersection of classes.
constexpr P kKimiWords = {R"(\p{sc:Han}+)"
                          R"(|[^\r\n\p{L}\p{N}]?[^\p{Ll}\p{N}\p{P}\p{S}\p{Z}\p{C}\p{sc:Han}]*)"
                          R"([^\p{Lu}\p{Lt}\p{N}\p{P}\p{S}\p{Z}\p{C}\p{sc:Han}]+)"
                          R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?)"
                          R"(|[^\r\n\p{L}\p{N}]?[^\p{Ll}\p{N}\p{P}\p{S}\p{Z}\p{C}\p{sc:Han}]+)"
                          R"([^\p{Lu}\p{Lt}\p{N}\p{P}\p{S}\p{Z}\p{C}\p{sc:Han}]*)"
                          R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?)"
                          R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};

// The letters of the scripts that have case, as listed by DeepSeek.
constexpr P kDeepseekLetters = {
    R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕ)"
    R"(ἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳ)"
    R"(Ꙁ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)"};
constexpr P kDeepseekPunctuation = {R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)"};
constexpr P kTrailingSpaces = {R"((?<!\s)\s++\z)"};
constexpr P kDeepseekAsian = {"[一-龥ࠀ-一가-\uD7FF]+"};
constexpr P kSpacedLetters = {R"(\s?\p{L}+)"};
constexpr P kSpacedPunctuation = {R"(\s?\p{P}+)"};

constexpr P kChineseJapanese = {R"([一-龥぀-ゟ゠-ヿ]+)"};
constexpr P kDeepseek3Words = {
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)"
    R"(| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr P kSparkWords = {
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)"
    R"(| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+)"};

constexpr P kFalconPunctuation = {R"([\p{P}\$\+<=>\^~\|`]+)"};
constexpr P kDefaultPunctuation = {R"([\p{P}\$\+<=>\^~\|]+)"};
constexpr P kThreeAsciiDigits = {"[0-9][0-9][0-9]"};

constexpr P kBloomWords = {R"( ?[^(\s|.,!?…。，、।۔،)]+)"};

constexpr P kChameleonSentinel = {"<sentinel:[0-9]+>"};
constexpr P kChameleonImage = {"(?:IMGIMG)[A-I]{1,4}Z"};
constexpr P kChameleonSpaces = {R"([\t\n]|    |  )"};
constexpr P kChameleonPunctuation = {R"([\p{P}!-/:-@\[-`{-~])"};

constexpr P kDigitsInThrees = {R"(\p{N}+)", SplitMode::kThreesInside};
constexpr P kCutBeforeThrees = {R"(\p{Nd}+)", SplitMode::kBeforeThrees};
// Numbers that end at a word boundary as Oniguruma has it, for which superscripts and fractions
// of Latin-1 are letters. The look back keeps other numbers from costing n squared.
constexpr P kWholeNumbersInThrees = {
    R"((?<!\p{Nd})\p{Nd}++(?![\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE}]))",
    SplitMode::kThreesInside};

constexpr P kAfmoeAsian = {
    R"([一-鿿㐀-䶿豈-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+)"};

constexpr P kLines = {R"([^\n]+|[\n]+)"};

struct Family {
  std::string_view names;  // separated by spaces
  std::vector<SplitPattern> patterns;
  bool ignores_merges = false;
  bool adds_bos = false;
};

const std::vector<Family>& Families() {
  static const std::vector<Family> families = {
      {"gpt-2 phi-2 jina-es jina-de jina-v1-en jina-v2-es jina-v2-de jina-v2-code roberta-bpe "
       "gigachat a.x-4.0 mellum modern-bert mpt olmo jais trillion granite-docling exaone4",
       {kGpt2Words}},
      {"smollm starcoder refact command-r codeshell exaone minerva-7b mellum2",
       {kDigit, kGpt2Words}},
      {"llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
       {kLlama3Words},
       true,
       true},
      {"dbrx smaug-bpe chatglm-bpe", {kLlama3Words}},
      {"glm4 glm5", {kLlama3Words}, true},
      {"jais-2", {kJais2Words}},
      {"qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2",
       {kQwen2Words}},
      {"qwen35", {kQwen35Words}},
      {"laguna", {kLines, kQwen2Words}},
      {"ufakzeka", {kUfakzekaWords}},
      {"minicpm5", {kUpToThreeDigits, kMiniCpm5Words}, true},
      {"seed-coder", {kSeedCoderWords}},
      {"bailingmoe bailingmoe2 llada-moe", {kBailingWords}},
      {"exaone-moe", {kExaoneMoeWords}},
      {"tekken", {kTekkenWords}, true, true},
      {"gpt-4o llama4 kanana2 talkie minimax-m2", {kGpt4oWords}},
      {"granite-embed-multi-97m", {kGpt4oWords}, true},
      {"tiny_aya cohere2moe", {kWholeNumbersInThrees, kGpt4oWords}},
      {"youtu", {kYoutuScripts, kYoutuWords}, true},
      {"kimi-k2", {kKimiWords}},
      {"deepseek-llm",
       {kNewline, kDeepseekLetters, kDeepseekPunctuation, kTrailingSpaces, kDeepseekAsian,
        kDigits}},
      {"deepseek-coder", {kNewline, kSpacedLetters, kSpacedPunctuation, kDeepseekAsian, kDigit}},
      {"deepseek-v3 hunyuan-dense hy_v4 joyai-llm",
       {kUpToThreeDigits, kChineseJapanese, kDeepseek3Words}},
      {"spark2_5", {kUpToThreeDigits, kChineseJapanese, kSparkWords, kDigit}},
      {"afmoe", {kDigitsInThrees, kAfmoeAsian, kDeepseek3Words}},
      {"falcon", {kFalconPunctuation, kGpt2Words, kThreeAsciiDigits}},
      {"default", {kDefaultPunctuation, kGpt2Words, kDigits, kThreeAsciiDigits}},
      {"bloom poro-chat gpt3-finnish", {kBloomWords}},
      {"viking", {kBloomWords, kDigit}},
      {"superbpe", {kDigits, kCutBeforeThrees}},
      {"chameleon",
       {kChameleonSentinel, kChameleonImage, kChameleonSpaces, kDigit, kChameleonPunctuation,
        kGpt2Words},
       false,
       true},
  };
  return families;
}

std::vector<std::string_view> NamesOf(const Family& family) {
  std::vector<std::string_view> names;
  std::string_view rest = family.names;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(' '), rest.size());
    names.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return names;
}

bool Contains(const std::vector<std::string_view>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::vector<std::string_view> PreTokenizerNames() {
  std::vector<std::string_view> all;
  for (const Family& family : Families()) {
    for (const std::string_view name : NamesOf(family)) all.push_back(name);
  }
  std::sort(all.begin(), all.end());
  return all;
}

Result<PreTokenizerTraits> FindPreTokenizer(std::string_view name) {
  for (const Family& family : Families()) {
    if (Contains(NamesOf(family), name)) {
      return PreTokenizerTraits{family.patterns, family.ignores_merges, family.adds_bos};
    }
  }
  std::string message = "pre-tokenizer '" + std::string(name) + "' is not known; known are";
  for (const std::string_view known : PreTokenizerNames()) {
    message.append(message.ends_with("are") ? " " : ", ").append(known);
  }
  return Refuse(ErrorCode::kUnsupported, std::move(message));
}

}  // namespace quire
