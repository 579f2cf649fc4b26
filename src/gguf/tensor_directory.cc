#include "gguf/tensor_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "base/check.h"

namespace quire {
namespace {

// A name's length, a one-byte name, the number of axes, one axis, a type and an offset.
constexpr uint64_t kMinEntryBytes = 8 + 1 + 4 + 8 + 4 + 8;

// An entry as the file states it, and where the file states it.
struct Entry {
  ByteReader at;
  std::string_view name;
  const TensorTypeInfo* type = nullptr;
  std::array<uint64_t, 4> shape = {1, 1, 1, 1};
  uint64_t offset = 0;  // from the start of the tensor data
  uint64_t bytes = 0;

  std::unexpected<Error> RefuseEntry(std::string_view why) const {
    return at.RefuseHere(fmt::format("tensor {} {}", Quoted(name), why));
  }
};

Status ReadShape(ByteReader& reader, Entry& entry) {
  QUIRE_TRY(const uint32_t num_axes, reader.Read<uint32_t>("a tensor's number of axes"));
  if (num_axes == 0 || num_axes > entry.shape.size()) {
    return entry.RefuseEntry(fmt::format("has {} axes; 1 to 4 are possible", num_axes));
  }
  uint64_t values = 1;
  for (uint32_t axis = 0; axis < num_axes; ++axis) {
    QUIRE_TRY(entry.shape[axis], reader.Read<uint64_t>("a tensor's shape"));
    if (entry.shape[axis] == 0) return entry.RefuseEntry("has an axis of length 0");
    if (__builtin_mul_overflow(values, entry.shape[axis], &values)) {
      return entry.RefuseEntry("has a shape that overflows 64 bits");
    }
  }
  return {};
}

Status ReadType(ByteReader& reader, Entry& entry) {
  QUIRE_TRY(const uint32_t id, reader.Read<uint32_t>("a tensor's type"));
  entry.type = FindTensorType(id);
  if (entry.type == nullptr) {
    Error error = entry
                      .RefuseEntry(fmt::format(
                          "is stored as {}, which Quire does not read; use a file quantised "
                          "to Q4_0 ... Q8_0, Q2_K ... Q6_K, IQ4_NL, IQ4_XS, F16, BF16 "
                          "or F32",
                          TensorTypeName(id)))
                      .error();
    error.code = ErrorCode::kUnsupported;
    return std::unexpected(std::move(error));
  }
  const uint64_t columns = entry.shape[0];
  if (columns % entry.type->block_values != 0) {
    return entry.RefuseEntry(
        fmt::format("has rows of {} values, not a multiple of the {} in a "
                    "block of {}",
                    columns, entry.type->block_values, entry.type->name));
  }
  const uint64_t rows = entry.shape[1] * entry.shape[2] * entry.shape[3];  // checked by ReadShape
  const uint64_t row_blocks = columns / entry.type->block_values;
  if (__builtin_mul_overflow(row_blocks * rows, entry.type->block_bytes, &entry.bytes)) {
    return entry.RefuseEntry("has a size that overflows 64 bits");
  }
  return {};
}

Result<Entry> ReadEntry(ByteReader& reader, uint64_t alignment) {
  Entry entry{reader, {}};
  QUIRE_TRY(entry.name, reader.ReadString("a tensor's name"));
  if (entry.name.empty()) return entry.RefuseEntry("has no name");
  if (!IsUtf8(entry.name)) return entry.RefuseEntry("has a name that is not UTF-8");
  const Status shape = ReadShape(reader, entry);
  if (!shape) return std::unexpected(shape.error());
  const Status type = ReadType(reader, entry);
  if (!type) return std::unexpected(type.error());
  QUIRE_TRY(entry.offset, reader.Read<uint64_t>("a tensor's offset"));
  if (entry.offset % alignment != 0) {
    return entry.RefuseEntry(
        fmt::format("begins at data offset {}, not a multiple of the "
                    "alignment {}",
                    entry.offset, alignment));
  }
  return entry;
}

// T3, once every entry is known to lie in the file.
Status CheckOverlaps(const std::vector<Entry>& entries) {
  std::vector<const Entry*> by_offset;
  for (const Entry& entry : entries) by_offset.push_back(&entry);
  std::ranges::sort(by_offset, {}, &Entry::offset);
  for (size_t i = 1; i < by_offset.size(); ++i) {
    const Entry& before = *by_offset[i - 1];
    const Entry& after = *by_offset[i];
    if (after.offset - before.offset < before.bytes) {
      return after.RefuseEntry(fmt::format("overlaps tensor {}", Quoted(before.name)));
    }
  }
  return {};
}

}  // namespace

Result<std::vector<TensorInfo>> ParseTensorDirectory(ByteReader& reader, uint64_t count,
                                                     uint64_t alignment,
                                                     std::span<const std::byte> file) {
  QUIRE_CHECK(std::has_single_bit(alignment));
  if (count > reader.remaining() / kMinEntryBytes) {
    return reader.RefuseHere(
        fmt::format("the header claims {} tensors, more than the file can "
                    "hold ({} bytes left)",
                    count, reader.remaining()));
  }
  std::vector<Entry> entries;
  std::unordered_set<std::string_view> names;
  for (uint64_t i = 0; i < count; ++i) {
    QUIRE_TRY(Entry entry, ReadEntry(reader, alignment));
    if (!names.insert(entry.name).second) return entry.RefuseEntry("occurs twice");
    entries.push_back(entry);
  }

  const uint64_t padding = (alignment - reader.offset() % alignment) % alignment;
  const auto data = padding <= reader.remaining() ? file.subspan(reader.offset() + padding)
                                                  : std::span<const std::byte>();
  std::vector<TensorInfo> tensors;
  tensors.reserve(entries.size());
  for (const Entry& entry : entries) {
    if (entry.offset > data.size() || entry.bytes > data.size() - entry.offset) {
      return entry.RefuseEntry(
          fmt::format("lies beyond the end of the file: {} bytes at data "
                      "offset {}, the file has {} (is it cut short?)",
                      entry.bytes, entry.offset, data.size()));
    }
    tensors.push_back({std::string(entry.name), entry.type->type, entry.shape,
                       data.subspan(entry.offset, entry.bytes)});
  }
  const Status disjoint = CheckOverlaps(entries);
  if (!disjoint) return std::unexpected(disjoint.error());
  return tensors;
}

}  // namespace quire
