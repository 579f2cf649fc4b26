#include "text/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace quire {

StopMatcher::StopMatcher(std::vector<std::string> stops) : nodes_(1) {
  for (size_t i = 0; i < stops.size(); ++i) {
    lengths_.push_back(static_cast<uint32_t>(stops[i].size()));
    if (!stops[i].empty()) AddString(stops[i], static_cast<int>(i));
  }
  LinkFailures();
}

void StopMatcher::AddString(std::string_view text, int which) {
  uint32_t node = 0;
  for (const char c : text) {
    uint32_t child = nodes_[node].next[static_cast<uint8_t>(c)];
    if (child == 0) {
      child = static_cast<uint32_t>(nodes_.size());
      nodes_[node].next[static_cast<uint8_t>(c)] = child;
      nodes_.push_back({});
      nodes_.back().depth = nodes_[node].depth + 1;
    }
    node = child;
  }
  if (nodes_[node].which < 0) nodes_[node].which = which;
}

// Breadth first: when a node is reached, the node of its longest proper suffix is complete, and
// so is that suffix's row, from which the missing steps of this row are taken.
void StopMatcher::LinkFailures() {
  std::vector<uint32_t> suffix(nodes_.size(), 0);
  std::vector<uint32_t> order = {0};
  for (size_t i = 0; i < order.size(); ++i) {
    const uint32_t node = order[i];
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const uint32_t child = nodes_[node].next[byte];
      const uint32_t fallback = node == 0 ? 0 : nodes_[suffix[node]].next[byte];
      if (child != 0 && nodes_[child].depth == nodes_[node].depth + 1) {
        suffix[child] = fallback;
        if (nodes_[child].which < 0) nodes_[child].which = nodes_[fallback].which;
        order.push_back(child);
      } else {
        nodes_[node].next[byte] = fallback;
      }
    }
  }
}

StopMatcher::Out StopMatcher::Append(std::string_view text) {
  if (stopped_) return {"", true, -1};
  held_.append(text);
  const size_t old = held_.size() - text.size();
  for (size_t i = 0; i < text.size(); ++i) {
    state_ = nodes_[state_].next[static_cast<uint8_t>(text[i])];
    const int which = nodes_[state_].which;
    if (which < 0) continue;
    stopped_ = true;
    held_.resize(old + i + 1 - lengths_[which]);
    return {std::exchange(held_, {}), true, which};
  }
  const size_t shown = held_.size() - nodes_[state_].depth;
  Out out = {held_.substr(0, shown), false, -1};
  held_.erase(0, shown);
  return out;
}

std::string StopMatcher::Finish() { return std::exchange(held_, {}); }

}  // namespace quire
