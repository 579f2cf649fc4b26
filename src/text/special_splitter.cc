#include "text/special_splitter.h"

#include <algorithm>
#include <functional>

namespace quire {
namespace {

// C's isspace in the "C" locale, whatever the locale.
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace

SpecialSplitter::SpecialSplitter(const Vocabulary& vocabulary, uint16_t any_of, uint16_t none_of) {
  for (TokenId token = 0; token < static_cast<TokenId>(vocabulary.size()); ++token) {
    const std::string_view text = vocabulary.texts[token];
    if (!vocabulary.Has(token, any_of) || vocabulary.Has(token, none_of) || text.empty()) continue;
    texts_.Add(text);
    entries_.push_back({token, vocabulary.flags[token]});
    auto& sizes = sizes_[static_cast<uint8_t>(text[0])];
    const uint32_t size = static_cast<uint32_t>(text.size());
    if (std::find(sizes.begin(), sizes.end(), size) == sizes.end()) sizes.push_back(size);
    strips_ = strips_ || vocabulary.Has(token, kTokenStripsLeft | kTokenStripsRight);
  }
  for (auto& sizes : sizes_) std::sort(sizes.begin(), sizes.end(), std::greater<>());
}

std::vector<SpecialSplitter::Fragment> SpecialSplitter::Split(std::string_view text) const {
  std::vector<Fragment> fragments;
  const uint32_t size = static_cast<uint32_t>(text.size());
  uint32_t done = 0;  // everything before is in `fragments`
  Cluster cluster;
  const auto flush = [&] {
    if (cluster.entries.empty()) return;
    if (cluster.begin > done) fragments.push_back({done, cluster.begin, kNoToken});
    done = cluster.end;
    Flush(text, cluster, fragments);
    cluster.entries.clear();
  };
  for (uint32_t at = 0; at < size && !entries_.empty(); ++at) {
    if (sizes_[static_cast<uint8_t>(text[at])].empty()) continue;
    // White space that a token swallows may belong to a token found elsewhere: no clusters then.
    if (!strips_ && at >= cluster.end) flush();
    FindAt(text, at, cluster);
  }
  if (strips_ && !cluster.entries.empty()) cluster = {0, size, std::move(cluster.entries)};
  flush();
  if (done < size) fragments.push_back({done, size, kNoToken});
  return fragments;
}

void SpecialSplitter::FindAt(std::string_view text, uint32_t at, Cluster& cluster) const {
  for (const uint32_t size : sizes_[static_cast<uint8_t>(text[at])]) {
    if (size > text.size() - at) continue;
    const uint32_t entry = texts_.Find(text.substr(at, size));
    if (entry == PieceTable::kNone) continue;
    if (cluster.entries.empty()) cluster.begin = cluster.end = at;
    cluster.end = std::max(cluster.end, at + size);
    auto& entries = cluster.entries;
    if (std::find(entries.begin(), entries.end(), entry) == entries.end()) entries.push_back(entry);
  }
}

void SpecialSplitter::Flush(std::string_view text, Cluster& cluster,
                            std::vector<Fragment>& fragments) const {
  std::sort(cluster.entries.begin(), cluster.entries.end(), [&](uint32_t a, uint32_t b) {
    const size_t size_a = texts_.Text(a).size();
    const size_t size_b = texts_.Text(b).size();
    return size_a != size_b ? size_a > size_b : entries_[a].token < entries_[b].token;
  });
  std::vector<Fragment> parts = {{cluster.begin, cluster.end, kNoToken}};
  for (const uint32_t entry : cluster.entries) parts = Place(text, entry, parts);
  fragments.insert(fragments.end(), parts.begin(), parts.end());
}

std::vector<SpecialSplitter::Fragment> SpecialSplitter::Place(
    std::string_view text, uint32_t entry, const std::vector<Fragment>& fragments) const {
  const std::string_view token_text = texts_.Text(entry);
  const auto [token, flags] = entries_[entry];
  std::vector<Fragment> out;
  out.reserve(fragments.size());
  for (const Fragment& fragment : fragments) {
    if (fragment.token != kNoToken) {
      out.push_back(fragment);
      continue;
    }
    const std::string_view searched = text.substr(0, fragment.end);
    uint32_t begin = fragment.begin;
    for (size_t at; (at = searched.find(token_text, begin)) != searched.npos;) {
      uint32_t left_end = static_cast<uint32_t>(at);
      while ((flags & kTokenStripsLeft) && left_end > begin && IsSpace(text[left_end - 1])) {
        --left_end;
      }
      if (left_end > begin) out.push_back({begin, left_end, kNoToken});
      begin = static_cast<uint32_t>(at + token_text.size());
      out.push_back({static_cast<uint32_t>(at), begin, token});
      while ((flags & kTokenStripsRight) && begin < fragment.end && IsSpace(text[begin])) ++begin;
    }
    if (begin < fragment.end) out.push_back({begin, fragment.end, kNoToken});
  }
  return out;
}

}  // namespace quire
