// reply/reply_rules.h -- the marks of a format and what they open.
//
// Where several marks begin at one place they are tried in this order: calls, reasoning, bare
// calls, hidden ones; within each in the order of the list. So a mark that is the beginning of
// another one must come behind it.
#pragma once

#include <string>
#include <vector>

#include "reply/call_section.h"

namespace quire {

struct ReplyRules {
  struct Opening {
    std::string mark;
    MakeCallSection make;
    // Counts only where nothing but reasoning and calls came before, and belongs to the section:
    // for calls that begin like any JSON.
    bool bare = false;
  };
  struct Reasoning {
    std::string open;
    std::string close;
  };
  std::vector<Opening> calls;
  std::vector<Reasoning> reasoning;  // the first is the one a prompt may end with
  bool reasoning_anywhere = false;   // else only where bare calls count
  std::vector<std::string> hidden;   // marks that say nothing: left out
};

}  // namespace quire
