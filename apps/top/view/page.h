// apps/top/view/page.h -- all that `quire top` shows, as lines of text with a style, for a terminal
// of any size or, whole, for `--once`.
//
// Nothing is told by colour alone: the arena has letters, the marked row a '>', sorting an arrow.
//
// Threads  pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "apps/top/view/live_state.h"
#include "apps/top/view/rates.h"
#include "apps/top/view/view_state.h"

namespace quire {

enum class Style : uint8_t {
  kPlain,
  kTitle,
  kHead,
  kDim,
  kLive,
  kIdle,
  kPinned,
  kWarning,
  kMarked,
};

struct Span {
  std::string text;
  Style style = Style::kPlain;
};
using Line = std::vector<Span>;

// Whether the server answers, and if not, since when and why.
struct LinkState {
  bool answers = false;
  double silent_seconds = 0;  // since it last did, or since we asked first
  std::string trouble;        // why not; Printable
};

struct PageInput {
  const LiveState* live = nullptr;  // the last moment that is known; null: none yet
  Rates rates;                      // of late
  ServerFacts facts;
  std::map<std::string, uint64_t> verdicts;  // of the last ten minutes
  LinkState link;
  std::string url;
  std::string notice;  // what became of the last key; Printable
  double now_seconds = 0;
};

// Exactly `rows` lines, none wider than `columns`. The marked request is among those shown;
// `view.page_rows` becomes the number of requests for which there was room.
std::vector<Line> DrawPage(const PageInput& input, ViewState& view, size_t rows, size_t columns);

// Everything, without styles: no line is cut, and no request left out.
std::string DrawText(const PageInput& input);

}  // namespace quire
