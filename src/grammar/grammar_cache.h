// grammar/grammar_cache.h -- the grammars of one model that were compiled before.
//
// Clients send the same schema with every request: it is compiled once, and the masks that its
// first answer needed are there for the next. Grammars are found by the text they were made from.
//
// Bounds   kMaxGrammars, and kMaxGrammarBytes with their masks at most; the one that was not used
//          for longest goes first. One in use lives on.
// Threads  any. Two callers may compile the same text at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/mask_helper.h"

namespace quire {

inline constexpr size_t kMaxGrammars = 256;
inline constexpr size_t kMaxGrammarBytes = size_t{256} << 20;

class GrammarCache {
 public:
  // `make_trie` is called once, when the first grammar is compiled: most servers never need the
  // megabytes of a vocabulary's trie.
  using MakeTrie = std::function<std::shared_ptr<const TokenTrie>()>;
  explicit GrammarCache(MakeTrie make_trie);
  explicit GrammarCache(std::shared_ptr<const TokenTrie> trie);

  // The grammar of `text`, which says all that `make` depends on; compiled if it is not there.
  using Make = std::function<Result<Part>(Parts&)>;
  Result<std::shared_ptr<const Grammar>> Get(const std::string& text, const Make& make);

  struct Stats {
    uint64_t hits = 0;
    uint64_t compiled = 0;
    size_t grammars = 0;
    size_t bytes = 0;
  };
  Stats stats() const;

 private:
  struct Entry {
    std::string text;
    std::shared_ptr<const Grammar> grammar;
    size_t bytes;
  };
  std::shared_ptr<const Grammar> Find(const std::string& text);
  void Keep(const std::string& text, const std::shared_ptr<const Grammar>& grammar);

  const std::shared_ptr<const TokenTrie>& Trie();

  const MakeTrie make_trie_;
  std::once_flag trie_made_;
  std::shared_ptr<const TokenTrie> trie_;  // null until made
  const std::shared_ptr<MaskHelper> helper_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::list<Entry> entries_;  // last used first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_text_;
  Stats stats_;
};

}  // namespace quire
