// Repacking: once per start, file rows to groups of 16 (packed_layout.h).
#include <array>
#include <cstring>

#include "base/check.h"
#include "kernels/matmul.h"
#include "kernels/packed_layout.h"
#include "kernels/quant_block.h"

namespace quire {
namespace {

using GroupBlocks = std::array<QuantBlock, kRowGroup>;  // the same 32 columns of 16 rows

// Where a block of a group lies: its unit's header, its planes, and its number in the unit.
struct BlockPlace {
  uint8_t* header;
  uint8_t* planes;
  uint32_t in_unit;
};

BlockPlace PlaceOf(const PackedLayout& layout, uint8_t* group, uint32_t block) {
  const size_t full_unit = layout.header_bytes + size_t{layout.unit_blocks} * layout.plane_bytes;
  uint8_t* header = group + block / layout.unit_blocks * full_unit;
  const uint32_t in_unit = block % layout.unit_blocks;
  return {header, header + layout.header_bytes + in_unit * layout.plane_bytes, in_unit};
}

void PutU16(uint8_t* p, uint32_t index, uint16_t x) { std::memcpy(p + 2 * index, &x, 2); }

void WriteSimpleHeader(const PackedLayout& layout, const GroupBlocks& blocks, BlockPlace place) {
  uint8_t* d = place.header + (layout.unit_blocks == 2 ? 32 * place.in_unit : 0);
  for (uint32_t row = 0; row < kRowGroup; ++row) {
    PutU16(d, row, blocks[row].d);
    if (layout.unit_blocks == 1) PutU16(d + 32, row, blocks[row].m);
  }
}

void WriteKHeader(TensorType type, const GroupBlocks& blocks, BlockPlace place) {
  const bool halves =
      type == TensorType::kQ6_K || type == TensorType::kQ3_K || type == TensorType::kQ2_K;
  for (uint32_t row = 0; row < kRowGroup; ++row) {
    const QuantBlock& b = blocks[row];
    PutU16(place.header, row, b.d);
    PutU16(place.header + 32, row, b.m);
    uint8_t* subs = place.header + 64;
    if (halves) {
      for (uint32_t h = 0; h < 2; ++h) {
        subs[(2 * place.in_unit + h) * 16 + row] =
            static_cast<uint8_t>(b.sub_scale[h] | b.sub_min[h] << 4);
      }
    } else {
      subs[place.in_unit * 16 + row] = static_cast<uint8_t>(b.sub_scale[0]);
      if (type != TensorType::kIQ4_XS) {
        subs[128 + place.in_unit * 16 + row] = static_cast<uint8_t>(b.sub_min[0]);
      }
    }
  }
}

// Writes `bits` bits of every q, from bit `from` on, as a plane of `bits` * 64 bytes: the 4 bytes
// of a step at once, since no bit leaves its byte.
template <uint32_t from, uint32_t bits>
void WritePlane(const GroupBlocks& blocks, uint8_t* plane) {
  constexpr uint32_t kStepsPerVector = 8 / bits;
  constexpr uint32_t kMask = ((1u << bits) - 1) * 0x01010101u;
  for (uint32_t row = 0; row < kRowGroup; ++row) {
    std::array<uint32_t, 8> steps;
    std::memcpy(steps.data(), blocks[row].q.data(), sizeof(steps));
    for (uint32_t vector = 0; vector < bits; ++vector) {
      uint32_t packed = 0;
      for (uint32_t i = 0; i < kStepsPerVector; ++i) {
        packed |= (steps[vector * kStepsPerVector + i] >> from & kMask) << (i * bits);
      }
      std::memcpy(plane + vector * 64 + row * 4, &packed, 4);
    }
  }
}

void WritePlanes(TensorType type, const GroupBlocks& blocks, uint8_t* planes) {
  switch (type) {
    case TensorType::kQ8_0:
      return WritePlane<0, 8>(blocks, planes);
    case TensorType::kQ5_0:
    case TensorType::kQ5_1:
    case TensorType::kQ5_K:
      WritePlane<0, 4>(blocks, planes);
      return WritePlane<4, 1>(blocks, planes + 256);
    case TensorType::kQ6_K:
      WritePlane<0, 4>(blocks, planes);
      return WritePlane<4, 2>(blocks, planes + 256);
    case TensorType::kQ3_K:
      WritePlane<0, 2>(blocks, planes);
      return WritePlane<2, 1>(blocks, planes + 128);
    case TensorType::kQ2_K:
      return WritePlane<0, 2>(blocks, planes);
    default:
      return WritePlane<0, 4>(blocks, planes);
  }
}

// The rows of one group that exist: `row` is the first, `count` <= 16.
struct SourceRows {
  const std::byte* row;
  size_t row_bytes;
  uint32_t count;
};

void PackQuantGroup(TensorType type, const SourceRows& source, uint32_t columns, uint8_t* group) {
  const PackedLayout layout = LayoutOf(type);
  const TensorTypeInfo& info = Info(type);
  const uint32_t file_blocks = info.block_values / kQuantBlock;  // of ours in one of the file's
  const QuantReader read = ReaderOf(type);
  std::memset(group, 0, GroupBytes(type, columns));
  GroupBlocks blocks = {};  // rows that do not exist stay zero
  for (uint32_t block = 0; block < columns / kQuantBlock; ++block) {
    const std::byte* from = source.row + size_t{block / file_blocks} * info.block_bytes;
    for (uint32_t r = 0; r < source.count; ++r) {
      blocks[r] = read(from + r * source.row_bytes, block % file_blocks);
    }
    const BlockPlace place = PlaceOf(layout, group, block);
    if (layout.unit_blocks == 8) {
      WriteKHeader(type, blocks, place);
    } else {
      WriteSimpleHeader(layout, blocks, place);
    }
    WritePlanes(type, blocks, place.planes);
  }
}

template <uint32_t element_bytes>
void PackFloatGroup(const SourceRows& source, uint32_t columns, uint8_t* group) {
  if (source.count < kRowGroup) std::memset(group, 0, size_t{columns} * kRowGroup * element_bytes);
  for (size_t k = 0; k < columns; ++k) {
    uint8_t* to = group + k * kRowGroup * element_bytes;
    for (uint32_t r = 0; r < source.count; ++r) {
      std::memcpy(to + r * element_bytes, source.row + r * source.row_bytes + k * element_bytes,
                  element_bytes);
    }
  }
}

}  // namespace

size_t PackedBytes(TensorType type, uint32_t rows, uint32_t columns) {
  const size_t groups = (size_t{rows} + kRowGroup - 1) / kRowGroup;
  return groups * GroupBytes(type, columns);
}

void Pack(TensorType type, std::span<const std::byte> source, uint32_t rows, uint32_t columns,
          std::byte* packed, PackRange range) {
  const TensorTypeInfo& info = Info(type);
  QUIRE_CHECK(columns % info.block_values == 0);
  const size_t row_bytes = size_t{columns} / info.block_values * info.block_bytes;
  QUIRE_CHECK(source.size() == rows * row_bytes);
  QUIRE_CHECK(range.end_group <= (rows + kRowGroup - 1) / kRowGroup);
  const size_t group_bytes = GroupBytes(type, columns);
  for (uint32_t g = range.first_group; g < range.end_group; ++g) {
    const uint32_t first = g * kRowGroup;
    const SourceRows group_rows = {source.data() + first * row_bytes, row_bytes,
                                   rows - first < kRowGroup ? rows - first : kRowGroup};
    auto* group = reinterpret_cast<uint8_t*>(packed + g * group_bytes);
    switch (LayoutOf(type).float_bytes) {
      case 2:
        PackFloatGroup<2>(group_rows, columns, group);
        break;
      case 4:
        PackFloatGroup<4>(group_rows, columns, group);
        break;
      default:
        PackQuantGroup(type, group_rows, columns, group);
    }
  }
}

}  // namespace quire
