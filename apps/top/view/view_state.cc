#include "apps/top/view/view_state.h"

#include <algorithm>

#include "apps/top/view/request_table.h"
#include "apps/top/view/shown_text.h"

namespace quire {
namespace {

constexpr size_t kMostFilterBytes = 128;

void Move(long by, const std::vector<TopRequest>& shown, ViewState& view) {
  if (shown.empty()) return;
  const auto found = std::ranges::find(shown, view.marked, &TopRequest::id);
  const long last = static_cast<long>(shown.size()) - 1;
  const long from = found == shown.end() ? (by > 0 ? -1 : 1) : found - shown.begin();
  view.marked = shown[static_cast<size_t>(std::clamp(from + by, 0L, last))].id;
}

// The last character goes, all of its bytes.
void Erase(std::string& text) {
  constexpr unsigned kMask = 0xC0;
  constexpr unsigned kContinues = 0x80;
  while (!text.empty()) {
    const bool continues = (static_cast<unsigned char>(text.back()) & kMask) == kContinues;
    text.pop_back();
    if (!continues) return;
  }
}

void TypeFilter(const Key& key, ViewState& view) {
  switch (key.kind) {
    case Key::Kind::kEnter:
      view.filter = view.draft_filter;
      view.mode = ViewState::Mode::kTable;
      break;
    case Key::Kind::kEscape:
      view.mode = ViewState::Mode::kTable;
      break;
    case Key::Kind::kBackspace:
      Erase(view.draft_filter);
      break;
    case Key::Kind::kText:
      if (view.draft_filter.size() + key.text.size() <= kMostFilterBytes) {
        view.draft_filter += Printable(key.text);
      }
      break;
    default:
      break;
  }
}

Action HandleText(const std::string& text, const std::vector<TopRequest>& shown, ViewState& view) {
  const auto is_marked = [&](const TopRequest& one) { return one.id == view.marked; };
  if (text == "q" || text == "Q") return Action::kQuit;
  if (text == "j") Move(1, shown, view);
  if (text == "k") Move(-1, shown, view);
  if (text == "s") view.sort_column = (view.sort_column + 1) % RequestColumns().size();
  if (text == "r") view.reversed = !view.reversed;
  if (text == " ") view.paused = !view.paused;
  if (text == "?" || text == "h") view.mode = ViewState::Mode::kHelp;
  if (text == "/") {
    view.draft_filter = view.filter;
    view.mode = ViewState::Mode::kFilter;
  }
  if (text == "c" && std::ranges::any_of(shown, is_marked)) {
    view.asked = view.marked;
    view.mode = ViewState::Mode::kAsk;
  }
  return Action::kNone;
}

Action HandleTableKey(const Key& key, const std::vector<TopRequest>& shown, ViewState& view) {
  const auto page = static_cast<long>(std::max<size_t>(1, view.page_rows));
  const auto all = static_cast<long>(shown.size());
  switch (key.kind) {
    case Key::Kind::kText:
      return HandleText(key.text, shown, view);
    case Key::Kind::kUp:
      Move(-1, shown, view);
      break;
    case Key::Kind::kDown:
      Move(1, shown, view);
      break;
    case Key::Kind::kPageUp:
      Move(-page, shown, view);
      break;
    case Key::Kind::kPageDown:
      Move(page, shown, view);
      break;
    case Key::Kind::kHome:
      Move(-all - 1, shown, view);
      break;
    case Key::Kind::kEnd:
      Move(all + 1, shown, view);
      break;
    case Key::Kind::kEscape:
      view.filter.clear();
      break;
    default:
      break;
  }
  return Action::kNone;
}

}  // namespace

Action HandleKey(const Key& key, const std::vector<TopRequest>& shown, ViewState& view) {
  switch (view.mode) {
    case ViewState::Mode::kTable:
      return HandleTableKey(key, shown, view);
    case ViewState::Mode::kFilter:
      TypeFilter(key, view);
      return Action::kNone;
    case ViewState::Mode::kAsk: {
      view.mode = ViewState::Mode::kTable;
      const bool yes = key.kind == Key::Kind::kText && (key.text == "y" || key.text == "Y");
      return yes ? Action::kCancel : Action::kNone;
    }
    case ViewState::Mode::kHelp:
      view.mode = ViewState::Mode::kTable;
      return key.kind == Key::Kind::kText && key.text == "q" ? Action::kQuit : Action::kNone;
  }
  return Action::kNone;
}

}  // namespace quire
