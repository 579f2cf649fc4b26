#include "gguf/byte_reader.h"

#include <fmt/format.h>

namespace quire {
namespace {

// Length of the well-formed UTF-8 sequence at the front of `text`, 0 if there is none. Refuses
// overlong forms, surrogates and values beyond U+10FFFF.
size_t SequenceLength(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0) != 0x80) return 0;
  }
  if (lead == 0xE0 && at(1) < 0xA0) return 0;
  if (lead == 0xED && at(1) > 0x9F) return 0;
  if (lead == 0xF0 && at(1) < 0x90) return 0;
  if (lead == 0xF4 && at(1) > 0x8F) return 0;
  return length;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string Quoted(std::string_view text) {
  constexpr size_t kMaxShown = 60;
  std::string out = "'";
  size_t shown = 0;
  while (shown < text.size() && shown < kMaxShown) {
    const std::string_view rest = text.substr(shown);
    const auto byte = static_cast<unsigned char>(rest[0]);
    const size_t length = SequenceLength(rest);
    // U+0080..U+009F (0xC2 0x80..0x9F) are control characters too.
    const bool control =
        byte < 0x20 || byte == 0x7F || (byte == 0xC2 && length == 2 && rest[1] < '\xA0');
    if (length == 0 || control) {
      out += fmt::format("\\x{:02x}", byte);
      shown += 1;
    } else {
      out += rest.substr(0, length);
      shown += length;
    }
  }
  return out + (shown < text.size() ? "...'" : "'");
}

Result<std::span<const std::byte>> ByteReader::Take(uint64_t count, std::string_view what) {
  if (count > remaining()) {
    return RefuseHere(
        fmt::format("the file ends inside {}: {} bytes needed, {} left", what, count, remaining()));
  }
  const auto taken = bytes_.subspan(offset_, count);
  offset_ += count;
  return taken;
}

Result<std::string_view> ByteReader::ReadString(std::string_view what) {
  QUIRE_TRY(const uint64_t length, Read<uint64_t>(what));
  QUIRE_TRY(const auto raw, Take(length, what));
  return std::string_view(reinterpret_cast<const char*>(raw.data()), raw.size());
}

std::unexpected<Error> ByteReader::RefuseHere(std::string_view message) const {
  return Refuse(ErrorCode::kCorrupt, fmt::format("offset {}: {}", offset_, message));
}

}  // namespace quire
