#include "kernels/matmul.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/check.h"
#include "kernels/dispatch.h"
#include "kernels/matmul_table.h"
#include "kernels/packed_layout.h"

namespace quire {

// Room for both kinds of any shape within the maximum; panels lie as matmul_table.h says.
struct Activations::Storage {
  uint32_t max_tokens;
  uint32_t max_columns;
  uint8_t* int8;
  float* f32;
};

struct ActivationsAccess {
  static const auto& StorageOf(const Activations& x) { return *x.storage_; }
};

namespace {

constexpr size_t kRecordBytes = size_t{4} * kRecordRows;  // of one token and block

void* AllocateAligned(size_t bytes) {
  void* p = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  QUIRE_CHECK(p != nullptr, "out of memory");
  return p;
}

}  // namespace

ActivationKind ActivationKindOf(TensorType type) {
  return LayoutOf(type).unit_blocks == 0 ? ActivationKind::kF32 : ActivationKind::kInt8;
}

Activations::Activations(uint32_t max_tokens, uint32_t max_columns)
    : storage_(new Storage{max_tokens, max_columns, nullptr, nullptr}) {
  const size_t values = size_t{max_tokens} * max_columns;
  storage_->int8 = static_cast<uint8_t*>(AllocateAligned(values / kQuantBlock * kRecordBytes + 64));
  storage_->f32 = static_cast<float*>(AllocateAligned(values * sizeof(float) + 64));
}

Activations::~Activations() {
  std::free(storage_->int8);
  std::free(storage_->f32);
  delete storage_;
}

void Activations::SetShape(uint32_t tokens, uint32_t columns) {
  QUIRE_CHECK(tokens <= storage_->max_tokens && columns <= storage_->max_columns);
  tokens_ = tokens;
  columns_ = columns;
}

void Activations::StoreRow(uint32_t token, const float* x, Kinds kinds) {
  StoreColumns(token, 0, {x, columns_}, kinds);
}

void Activations::StoreColumns(uint32_t token, uint32_t first, std::span<const float> x,
                               Kinds kinds) {
  QUIRE_CHECK(token < tokens_ && first + x.size() <= columns_);
  if (kinds.int8) {
    QUIRE_CHECK(columns_ % kQuantBlock == 0 && first % kQuantBlock == 0 &&
                x.size() % kQuantBlock == 0);
    QuantiseColumns(token, first, x);
  }
  if (kinds.f32) {
    const uint32_t panel = PanelOf(tokens_, token);
    const uint32_t begin = PanelBegin(tokens_, panel);
    const uint32_t width = PanelBegin(tokens_, panel + 1) - begin;
    float* to = storage_->f32 + size_t{begin} * columns_ + size_t{first} * width + (token - begin);
    for (size_t k = 0; k < x.size(); ++k) to[k * width] = x[k];
  }
}

// Chunk by chunk, since the records of a panel are contiguous only there.
void Activations::QuantiseColumns(uint32_t token, uint32_t first, std::span<const float> x) {
  const uint32_t panel = PanelOf(tokens_, token);
  const uint32_t begin = PanelBegin(tokens_, panel);
  const uint32_t width = PanelBegin(tokens_, panel + 1) - begin;
  const RecordPlace place = {tokens_, columns_ / kQuantBlock};
  const uint32_t chunk_blocks = ChunkBlocks(place.blocks);
  const uint32_t end = (first + static_cast<uint32_t>(x.size())) / kQuantBlock;
  const float* from = x.data();
  for (uint32_t block = first / kQuantBlock; block < end;) {
    const uint32_t count = std::min(end, (block / chunk_blocks + 1) * chunk_blocks) - block;
    uint8_t* to = storage_->int8 + 4 * (place.At(begin, width, block) + token - begin);
    QUIRE_ISA_PICK(kMatMulTable).quantize(from, count, width, to);
    block += count;
    from += size_t{count} * kQuantBlock;
  }
}

void MatMul(const PackedMatrix& matrix, const Activations& x, const MatMulOut& out,
            uint32_t first_row, uint32_t end_row) {
  QUIRE_CHECK(first_row % kRowGroup == 0 && end_row <= matrix.rows);
  QUIRE_CHECK(end_row % kRowGroup == 0 || end_row == matrix.rows);
  QUIRE_CHECK(x.columns() == matrix.columns);
  if (first_row >= end_row || x.tokens() == 0) return;
  const auto& storage = ActivationsAccess::StorageOf(x);
  const size_t group_bytes = GroupBytes(matrix.type, matrix.columns);
  MatMulJob job;
  job.type = matrix.type;
  job.columns = matrix.columns;
  job.tokens = x.tokens();
  job.groups = reinterpret_cast<const uint8_t*>(matrix.data) + first_row / kRowGroup * group_bytes;
  job.rows = end_row - first_row;
  job.int8 = storage.int8;
  job.f32 = storage.f32;
  job.bias = out.bias == nullptr ? nullptr : out.bias + first_row;
  job.out = out.data + first_row;
  job.stride = out.stride;
  job.accumulate = out.accumulate;
  QUIRE_ISA_PICK(kMatMulTable).multiply(job);
}

}  // namespace quire
