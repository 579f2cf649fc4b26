#include "grammar/grammar_cache.h"

#include <utility>

namespace quire {

GrammarCache::GrammarCache(MakeTrie make_trie)
    : make_trie_(std::move(make_trie)), helper_(std::make_shared<MaskHelper>()) {}

GrammarCache::GrammarCache(std::shared_ptr<const TokenTrie> trie)
    : GrammarCache([trie = std::move(trie)] { return trie; }) {}

const std::shared_ptr<const TokenTrie>& GrammarCache::Trie() {
  std::call_once(trie_made_, [this] { trie_ = make_trie_(); });
  return trie_;
}

Result<std::shared_ptr<const Grammar>> GrammarCache::Get(const std::string& text,
                                                         const Make& make) {
  if (auto known = Find(text)) return known;
  Parts parts;
  QUIRE_TRY(const Part root, make(parts));
  QUIRE_TRY(auto grammar, Grammar::Compile(parts, root, Trie(), helper_));
  Keep(text, grammar);
  return grammar;
}

std::shared_ptr<const Grammar> GrammarCache::Find(const std::string& text) {
  const std::lock_guard lock(mutex_);
  const auto found = by_text_.find(text);
  if (found == by_text_.end()) return nullptr;
  ++stats_.hits;
  entries_.splice(entries_.begin(), entries_, found->second);
  return entries_.front().grammar;
}

void GrammarCache::Keep(const std::string& text, const std::shared_ptr<const Grammar>& grammar) {
  const std::lock_guard lock(mutex_);
  ++stats_.compiled;
  if (by_text_.contains(text)) return;
  entries_.push_front({text, grammar, text.size() + grammar->bytes()});
  by_text_.emplace(entries_.front().text, entries_.begin());
  stats_.bytes += entries_.front().bytes;
  while (entries_.size() > 1 &&
         (entries_.size() > kMaxGrammars || stats_.bytes > kMaxGrammarBytes)) {
    stats_.bytes -= entries_.back().bytes;
    by_text_.erase(entries_.back().text);
    entries_.pop_back();
  }
  stats_.grammars = entries_.size();
}

GrammarCache::Stats GrammarCache::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace quire
