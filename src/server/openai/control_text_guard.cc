#include "server/openai/control_text_guard.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

namespace quire {
namespace {

// A private-use character of plane 15: four bytes that carry 16 bits of chance.
void AppendPrivate(uint32_t bits, std::string& out) {
  const uint32_t c = 0xF0000 + (bits & 0xFFFF) % 0xFFFE;
  out += static_cast<char>(0xF0 | (c >> 18));
  out += static_cast<char>(0x80 | ((c >> 12) & 63));
  out += static_cast<char>(0x80 | ((c >> 6) & 63));
  out += static_cast<char>(0x80 | (c & 63));
}

// Bytes of the first character of a UTF-8 text.
size_t FirstCharacter(std::string_view text) {
  size_t size = 1;
  while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) ++size;
  return size;
}

}  // namespace

ControlTextGuard::ControlTextGuard(const std::vector<std::string>& control_texts) {
  for (const std::string& text : control_texts) {
    if (text.empty() || !texts_.insert(text).second) continue;
    longest_ = std::max(longest_, text.size());
    auto& sizes = sizes_[static_cast<unsigned char>(text[0])];
    if (std::find(sizes.begin(), sizes.end(), text.size()) == sizes.end()) {
      sizes.push_back(text.size());
    }
    for (size_t cut = 1; cut < text.size(); ++cut) {
      beginnings_.insert(text.substr(0, cut));
      ends_.insert(text.substr(cut));
    }
  }
  for (auto& sizes : sizes_) std::sort(sizes.begin(), sizes.end(), std::greater<>());
}

std::string ControlTextGuard::DrawMark() {
  std::random_device random;
  std::string mark;
  for (int i = 0; i < 4; ++i) AppendPrivate(random(), mark);
  return mark;
}

size_t ControlTextGuard::MatchAt(std::string_view text, size_t at) const {
  for (const size_t size : sizes_[static_cast<unsigned char>(text[at])]) {
    if (at + size <= text.size() && texts_.contains(std::string(text.substr(at, size)))) {
      return size;
    }
  }
  return 0;
}

bool ControlTextGuard::EndsLikeABeginning(std::string_view text) const {
  for (size_t size = 1; size <= std::min(text.size(), longest_); ++size) {
    if (beginnings_.contains(std::string(text.substr(text.size() - size)))) return true;
  }
  return false;
}

bool ControlTextGuard::BeginsLikeAnEnd(std::string_view text) const {
  for (size_t size = 1; size <= std::min(text.size(), longest_); ++size) {
    if (ends_.contains(std::string(text.substr(0, size)))) return true;
  }
  return false;
}

// A mark behind the first character of every place where a control text begins breaks all of
// them, also those that overlap.
bool ControlTextGuard::MarkString(std::string& text, std::string_view mark) const {
  if (text.empty()) return false;
  std::string out;
  if (BeginsLikeAnEnd(text)) out += mark;
  size_t copied = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if (MatchAt(text, at) == 0) continue;
    const size_t behind = at + FirstCharacter(std::string_view(text).substr(at));
    out.append(text, copied, behind - copied).append(mark);
    copied = behind;
  }
  const bool open_end = EndsLikeABeginning(text);
  if (out.empty() && !open_end) return false;
  out.append(text, copied);
  if (open_end) out += mark;
  text = std::move(out);
  return true;
}

bool ControlTextGuard::MarkAll(Json& value, std::string_view mark) const {
  bool marked = false;
  if (value.is_string()) return MarkString(value.get_ref<std::string&>(), mark);
  if (value.is_array()) {
    for (Json& element : value) marked |= MarkAll(element, mark);
  }
  if (value.is_object()) {
    Json out = Json::object();
    for (auto& [key, element] : value.items()) {
      std::string name = key;
      marked |= MarkString(name, mark);
      marked |= MarkAll(element, mark);
      out[name] = std::move(element);
    }
    value = std::move(out);
  }
  return marked;
}

std::string ControlTextGuard::WithoutMarks(std::string_view text, std::string_view mark) {
  std::string out;
  for (;;) {
    const size_t at = text.find(mark);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + mark.size());
  }
}

std::vector<ControlTextGuard::Piece> ControlTextGuard::Split(std::string_view rendered,
                                                             std::string_view mark) const {
  std::vector<Piece> pieces;
  std::string parsed;
  size_t gap = 0;  // begin of the text since the last control text
  const auto close_gap = [&](size_t end) {
    const std::string_view text = rendered.substr(gap, end - gap);
    if (text.find(mark) == std::string_view::npos) {
      parsed += text;
      return;
    }
    if (!parsed.empty()) pieces.push_back({std::exchange(parsed, {}), true});
    pieces.push_back({WithoutMarks(text, mark), false});
  };
  for (size_t at = 0; at < rendered.size();) {
    const size_t size = MatchAt(rendered, at);
    if (size == 0) {
      ++at;
      continue;
    }
    close_gap(at);
    parsed += rendered.substr(at, size);
    gap = at += size;
  }
  close_gap(rendered.size());
  if (!parsed.empty()) pieces.push_back({std::move(parsed), true});
  return pieces;
}

}  // namespace quire
