#include "text/special_tokens.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace quire {
namespace {

using Texts = std::span<const std::string_view>;

// Texts that end an answer wherever they occur as a token.
constexpr std::string_view kEndTexts[] = {"<|eot_id|>",
                                          "<|im_end|>",
                                          "<|end|>",
                                          "<|return|>",
                                          "<|call|>",
                                          "<|flush|>",
                                          "<|calls|>",
                                          "<end_of_turn>",
                                          "<|endoftext|>",
                                          "</s>",
                                          "<|eom_id|>",
                                          "<EOT>",
                                          "_<EOT>",
                                          "[EOT]",
                                          "[EOS]",
                                          "<|end_of_text|>",
                                          "<end_of_utterance>",
                                          "<eos>",
                                          "<turn|>",
                                          "<|tool_response>",
                                          "[e~[",
                                          "<｜end▁of▁sentence｜>"};

// Tokens of fill-in-the-middle prompts. Those that begin a new file or pad one also end an answer.
constexpr std::string_view kFimPrefix[] = {"<|fim_prefix|>",  "<fim-prefix>", "<fim_prefix>",
                                           "<｜fim▁begin｜>", "<PRE>",        "▁<PRE>",
                                           "<|code_prefix|>", "<|prefix|>"};
constexpr std::string_view kFimSuffix[] = {"<|fim_suffix|>",  "<fim-suffix>", "<fim_suffix>",
                                           "<｜fim▁hole｜>",  "<SUF>",        "▁<SUF>",
                                           "<|code_suffix|>", "<|suffix|>"};
constexpr std::string_view kFimMiddle[] = {"<|fim_middle|>",  "<fim-middle>", "<fim_middle>",
                                           "<｜fim▁end｜>",   "<MID>",        "▁<MID>",
                                           "<|code_middle|>", "<|middle|>"};
constexpr std::string_view kFimPad[] = {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"};
constexpr std::string_view kFimRepository[] = {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>",
                                               "<REPO>", "<reponame>"};
constexpr std::string_view kFimFile[] = {"<|file_sep|>"};

// Channel marks of gpt-oss: part of what an answer shows.
constexpr std::string_view kShownTexts[] = {"<|channel|>", "<|message|>", "<|start|>",
                                            "<|constrain|>"};

class Finder {
 public:
  Finder(const GgufFile& file, const TokenIndex& ids, Vocabulary& vocabulary)
      : file_(file), ids_(ids), vocabulary_(vocabulary) {}

  Status Run() {
    vocabulary_.bos = Default(1);
    vocabulary_.eos = Default(2);
    vocabulary_.unknown = Default(0);
    for (auto [name, id] : {std::pair{"bos", &vocabulary_.bos},
                            {"eos", &vocabulary_.eos},
                            {"unknown", &vocabulary_.unknown},
                            {"padding", &vocabulary_.padding}}) {
      if (auto status = Read(name, id); !status) return status;
    }
    if (auto status = FindEnds(); !status) return status;
    MarkShown();
    DropFalseEnds();
    vocabulary_.end_of_generation.assign(ends_.begin(), ends_.end());
    SetStripping();
    return SetAdded();
  }

 private:
  TokenId Default(TokenId token) const {
    const bool has = vocabulary_.kind == VocabularyKind::kByScore &&
                     token < static_cast<TokenId>(vocabulary_.size());
    return has ? token : kNoToken;
  }

  TokenId Find(std::string_view text) const { return ids_.Find(text); }

  // Reads tokenizer.ggml.<name>_token_id into `id`, which keeps its value if there is none.
  Status Read(std::string_view name, TokenId* id) const {
    const std::string key = "tokenizer.ggml." + std::string(name) + "_token_id";
    if (!file_.Has(key)) return {};
    constexpr uint64_t kNone = UINT32_MAX;  // converters write "none" so
    const auto value = file_.GetUint(key);
    if (file_.GetInt(key) == -1 || value == kNone) {
      *id = kNoToken;
    } else if (!value || *value >= vocabulary_.size()) {
      return Refuse(ErrorCode::kCorrupt,
                    "the model's vocabulary is broken: " + key + " is not the id of a token");
    } else {
      *id = static_cast<TokenId>(*value);
    }
    return {};
  }

  void MakeControl(TokenId token) { vocabulary_.flags[token] |= kTokenControl; }

  // A fill-in-the-middle token: by number (its key, or its older key), else by text.
  Status ReadFim(std::pair<std::string_view, std::string_view> names, Texts texts, TokenId* id) {
    if (auto status = Read(names.first, id); !status) return status;
    if (!names.second.empty()) {
      if (auto status = Read(names.second, id); !status) return status;
    }
    for (const std::string_view text : texts) {
      if (*id != kNoToken) break;
      *id = Find(text);
      if (*id != kNoToken) MakeControl(*id);
    }
    return {};
  }

  Status FindEnds() {
    struct Fim {
      std::pair<std::string_view, std::string_view> names;
      Texts texts;
      bool ends;
    };
    const Fim fims[] = {
        {{"fim_pre", "prefix"}, kFimPrefix, false}, {{"fim_suf", "suffix"}, kFimSuffix, false},
        {{"fim_mid", "middle"}, kFimMiddle, false}, {{"fim_pad", ""}, kFimPad, true},
        {{"fim_rep", ""}, kFimRepository, true},    {{"fim_sep", ""}, kFimFile, true}};
    for (const Fim& fim : fims) {
      TokenId id = kNoToken;
      if (auto status = ReadFim(fim.names, fim.texts, &id); !status) return status;
      if (fim.ends && id != kNoToken) ends_.insert(id);
    }
    for (const std::string_view text : kEndTexts) {
      const TokenId id = Find(text);
      if (id == kNoToken) continue;
      ends_.insert(id);
      MakeControl(id);
    }
    TokenId end_of_turn = kNoToken;
    TokenId end_of_message = kNoToken;
    if (auto status = Read("eot", &end_of_turn); !status) return status;
    if (auto status = Read("eom", &end_of_message); !status) return status;
    for (const TokenId id : {vocabulary_.eos, end_of_turn, end_of_message}) {
      if (id != kNoToken) ends_.insert(id);
    }
    return {};
  }

  void MarkShown() {
    for (const std::string_view text : kShownTexts) {
      const TokenId id = Find(text);
      if (id != kNoToken) vocabulary_.flags[id] |= kTokenShown;
    }
  }

  bool Ends(std::string_view text) const {
    const TokenId id = Find(text);
    return id != kNoToken && ends_.contains(id);
  }

  // Texts that end answers in most families, and mean something else in a few.
  void DropFalseEnds() {
    const bool calls = Ends("<|call|>") || Ends("<|calls|>");
    if (calls && Ends("<|end|>") && (Ends("<|return|>") || Ends("<|flush|>"))) {
      const TokenId end = Find("<|end|>");  // ends a message within an answer there
      ends_.erase(end);
      vocabulary_.flags[end] |= kTokenShown;
    }
    if ((Ends("<|tool_response>") || Ends("<|plamo:eos|>")) && Ends("</s>")) {
      const TokenId end = Find("</s>");
      ends_.erase(end);
      vocabulary_.flags[end] = kTokenNormal;
    }
  }

  void SetFlag(std::string_view text, uint16_t flag, bool on) {
    const TokenId id = Find(text);
    if (id == kNoToken) return;
    if (on) vocabulary_.flags[id] |= flag;
    if (!on) vocabulary_.flags[id] &= static_cast<uint16_t>(~flag);
  }

  // White space swallowed by special tokens is not in the metadata: known by the model's name.
  void SetStripping() {
    std::string name(file_.GetString("general.name").value_or(""));
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const std::string& pre = vocabulary_.pre_tokenizer;
    if (pre.starts_with("jina-v2")) {
      SetFlag("<mask>", kTokenStripsLeft, true);
    } else if (name.find("phi-3") != name.npos || name.find("phi3") != name.npos) {
      for (uint16_t& flags : vocabulary_.flags) {
        if (flags & (kTokenControl | kTokenUserDefined | kTokenUnknown)) flags |= kTokenStripsRight;
      }
      SetFlag("</s>", kTokenStripsRight, true);
      for (const char* text : {"<unk>", "<s>", "<|endoftext|>"}) {
        SetFlag(text, kTokenStripsRight, false);
      }
    } else if (name.find("modern-bert") != name.npos) {
      SetFlag("[MASK]", kTokenStripsLeft, true);
    }
  }

  Status SetAdded() const {
    const auto bos = file_.GetBool("tokenizer.ggml.add_bos_token");
    const auto eos = file_.GetBool("tokenizer.ggml.add_eos_token");
    vocabulary_.adds_bos = bos.value_or(vocabulary_.adds_bos && vocabulary_.bos != kNoToken);
    vocabulary_.adds_eos = eos.value_or(vocabulary_.adds_eos && vocabulary_.eos != kNoToken);
    if ((vocabulary_.adds_bos && vocabulary_.bos == kNoToken) ||
        (vocabulary_.adds_eos && vocabulary_.eos == kNoToken)) {
      return Refuse(ErrorCode::kCorrupt,
                    "the model's vocabulary is broken: texts begin or end with a special token "
                    "that it does not name");
    }
    return {};
  }

  const GgufFile& file_;
  const TokenIndex& ids_;
  Vocabulary& vocabulary_;
  std::set<TokenId> ends_;
};

}  // namespace

Status FindSpecialTokens(const GgufFile& file, const TokenIndex& ids, Vocabulary& vocabulary) {
  return Finder(file, ids, vocabulary).Run();
}

}  // namespace quire
