// apps/top/view/view_state.h -- what the person before `quire top` has chosen, and what keys
// change.
//
//   table --'/'--> filter --Enter, Esc--> table      Esc forgets what was typed
//   table --'c'--> ask    --'y'---------> table      with Action::kCancel; any other key: nothing
//   table --'?'--> help   --any key-----> table
//
// A request is marked by its number, so that the mark stays on it when others come and go.
//
// Threads  none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/top/view/live_state.h"

namespace quire {

struct Key {
  enum class Kind : uint8_t {
    kText,  // what was typed: one character
    kUp,
    kDown,
    kPageUp,
    kPageDown,
    kHome,
    kEnd,
    kEnter,
    kEscape,
    kBackspace,
  };
  Kind kind = Kind::kText;
  std::string text = {};
};

struct ViewState {
  enum class Mode : uint8_t { kTable, kFilter, kAsk, kHelp };

  Mode mode = Mode::kTable;
  size_t sort_column = 0;  // of RequestColumns()
  bool reversed = false;
  std::string filter;        // only requests that have it in tenant, route or number
  std::string draft_filter;  // while it is being typed
  uint64_t marked = 0;       // number of a request; 0: none
  uint64_t asked = 0;        // of the one that is asked about
  bool paused = false;
  size_t page_rows = 10;  // of the table, as last drawn
};

enum class Action : uint8_t { kNone, kQuit, kCancel };  // kCancel: `asked`

// `shown`: the requests as they stand on the screen.
Action HandleKey(const Key& key, const std::vector<TopRequest>& shown, ViewState& view);

}  // namespace quire
