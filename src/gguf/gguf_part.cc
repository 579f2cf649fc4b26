#include "gguf/gguf_part.h"

#include <fmt/format.h>

#include <limits>

namespace quire {
namespace {

constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMinAlignment = 8;  // the format's; keeps every value type aligned in place

struct Header {
  uint64_t num_tensors;
  uint64_t num_pairs;
};

Status CheckMagic(ByteReader& reader) {
  if (reader.remaining() == 0) return reader.RefuseHere("the file is empty");
  const ByteReader at = reader;
  QUIRE_TRY(const auto raw, reader.Take(4, "the magic number"));
  const std::string_view magic(reinterpret_cast<const char*>(raw.data()), raw.size());
  if (magic == "GGUF") return {};
  if (magic == "FUGG") {
    return Refuse(ErrorCode::kUnsupported,
                  "offset 0: a big-endian GGUF file; Quire reads "
                  "little-endian ones");
  }
  for (const std::string_view old : {"lmgg", "fmgg", "tjgg"}) {
    if (magic != old) continue;
    return Refuse(ErrorCode::kUnsupported,
                  "offset 0: a GGML file from before GGUF; convert it to GGUF first");
  }
  return at.RefuseHere(fmt::format("not a GGUF file: it begins with {}", Quoted(magic)));
}

Status CheckVersion(ByteReader& reader) {
  QUIRE_TRY(const uint32_t version, reader.Read<uint32_t>("the version"));
  if (version == 2 || version == 3) return {};
  // A version that is small only with its bytes swapped was written by a big-endian machine.
  if ((version & 0xFFFF) == 0 && version != 0) {
    return Refuse(ErrorCode::kUnsupported,
                  fmt::format("offset 4: a big-endian GGUF file (version {}); Quire reads "
                              "little-endian ones",
                              __builtin_bswap32(version)));
  }
  return Refuse(ErrorCode::kUnsupported,
                fmt::format("offset 4: GGUF version {}; Quire reads versions 2 and 3", version));
}

Result<Header> ParseHeader(ByteReader& reader) {
  const Status magic = CheckMagic(reader);
  if (!magic) return std::unexpected(magic.error());
  const Status version = CheckVersion(reader);
  if (!version) return std::unexpected(version.error());
  Header header{};
  QUIRE_TRY(header.num_tensors, reader.Read<uint64_t>("the number of tensors"));
  QUIRE_TRY(header.num_pairs, reader.Read<uint64_t>("the number of metadata pairs"));
  return header;
}

// An integer that may be absent but not of another kind or beyond `max`.
Result<uint64_t> OptionalUint(const Metadata& metadata, std::string_view key, uint64_t fallback,
                              uint64_t max) {
  if (!metadata.Has(key)) return fallback;
  const auto value = metadata.GetUint(key);
  if (!value || *value > max) {
    return Refuse(ErrorCode::kCorrupt,
                  fmt::format("metadata key '{}' must be an integer from 0 to {}", key, max));
  }
  return *value;
}

Result<uint64_t> ParseAlignment(const Metadata& metadata) {
  constexpr std::string_view kKey = "general.alignment";
  constexpr auto kMax = std::numeric_limits<uint32_t>::max();
  QUIRE_TRY(const uint64_t alignment, OptionalUint(metadata, kKey, kDefaultAlignment, kMax));
  if (!std::has_single_bit(alignment) || alignment < kMinAlignment) {
    return Refuse(ErrorCode::kCorrupt,
                  fmt::format("metadata key '{}' is {}; it must be a power of two and at least {}",
                              kKey, alignment, kMinAlignment));
  }
  return alignment;
}

Status ParseSplit(GgufPart& part) {
  constexpr auto kMax = std::numeric_limits<uint16_t>::max();
  QUIRE_TRY(const uint64_t no, OptionalUint(part.metadata, "split.no", 0, kMax));
  QUIRE_TRY(const uint64_t count, OptionalUint(part.metadata, "split.count", 1, kMax));
  // llama.cpp writes 0 for a file that was merged again.
  part.split_count = count == 0 ? 1 : static_cast<uint32_t>(count);
  part.split_no = static_cast<uint32_t>(no);
  if (part.split_no >= part.split_count) {
    return Refuse(ErrorCode::kCorrupt, fmt::format("metadata says part {} (split.no, from 0) of {} "
                                                   "(split.count)",
                                                   no, count));
  }
  return {};
}

}  // namespace

Result<GgufPart> ParseGgufPart(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  QUIRE_TRY(const Header header, ParseHeader(reader));
  GgufPart part;
  QUIRE_TRY(part.metadata, Metadata::Parse(reader, header.num_pairs));
  QUIRE_TRY(const uint64_t alignment, ParseAlignment(part.metadata));
  QUIRE_TRY(part.tensors, ParseTensorDirectory(reader, header.num_tensors, alignment, bytes));
  const Status split = ParseSplit(part);
  if (!split) return std::unexpected(split.error());
  return part;
}

Result<std::string> SiblingPath(std::string_view first_path, uint32_t index, uint32_t count) {
  const std::string first_suffix = fmt::format("-{:05}-of-{:05}.gguf", 1, count);
  if (!first_path.ends_with(first_suffix)) {
    return Refuse(ErrorCode::kCorrupt,
                  fmt::format("the model is split over {} files, but the name of the first does "
                              "not end in '{}', so the others cannot be found",
                              count, first_suffix));
  }
  first_path.remove_suffix(first_suffix.size());
  return fmt::format("{}-{:05}-of-{:05}.gguf", first_path, index + 1, count);
}

}  // namespace quire
