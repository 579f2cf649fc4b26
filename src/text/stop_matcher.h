// text/stop_matcher.h -- finds stop strings in an answer that arrives in pieces.
//
// Text that may be the beginning of a stop string is held back until it is known not to be. The
// earliest end of a match wins; among strings that end there, the longest. Text before the match
// is returned, the match and all that follows is not.
//
// Threads  none: one per answer.
// Cost     O(bytes of the piece), whatever the number and kind of stop strings (Aho-Corasick).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quire {

class StopMatcher {
 public:
  // Empty strings are ignored. No strings: everything passes at once.
  explicit StopMatcher(std::vector<std::string> stops);

  struct Out {
    std::string text;      // safe to show
    bool stopped = false;  // from then on Append returns nothing more
    int which = -1;        // index of the stop string found, as given to the constructor
  };
  Out Append(std::string_view text);

  // The text still held back: no stop string came. Empty if stopped.
  std::string Finish();

 private:
  struct Node {
    uint32_t next[256] = {};  // complete: no failure steps at run time
    uint32_t depth = 0;       // bytes matched in this state, all of them held back
    int which = -1;           // the longest stop string that ends here
  };
  void AddString(std::string_view text, int which);
  void LinkFailures();

  std::vector<Node> nodes_;  // [0] is the root
  std::vector<uint32_t> lengths_;
  uint32_t state_ = 0;
  std::string held_;  // the last nodes_[state_].depth bytes, not shown yet
  bool stopped_ = false;
};

}  // namespace quire
