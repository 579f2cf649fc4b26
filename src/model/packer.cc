#include "model/packer.h"

#include <algorithm>
#include <vector>

#include "model/file_pages.h"

namespace quire {
namespace {

constexpr size_t kSliceBytes = size_t{4} << 20;  // of the file, that a worker holds at a time

// Repacks the worker's share of a matrix's rows straight from the file's bytes.
void PackShare(const Worker& worker, const WeightPlace& place, const GgufFile& file,
               std::byte* packed) {
  const TensorInfo& tensor = *place.tensor;
  const uint32_t rows = place.matrix->rows;
  const size_t group_bytes = tensor.data.size() / rows * kRowGroup;
  const uint32_t slice = static_cast<uint32_t>(std::max<size_t>(1, kSliceBytes / group_bytes));
  const auto [begin, end] = worker.Share((rows + kRowGroup - 1) / kRowGroup);
  for (uint32_t first = begin; first < end; first += slice) {
    const uint32_t last = std::min(end, first + slice);
    Pack(tensor.type, tensor.data, rows, place.matrix->columns, packed, {first, last});
    const size_t at = first * group_bytes;
    const size_t size = std::min((last - first) * group_bytes, tensor.data.size() - at);
    ReleasePages(file, tensor.data.subspan(at, size));
  }
}

// The same through float32; `decoded` [rows][columns] is shared by the workers.
void PackShareAsFloat(const Worker& worker, const WeightPlace& place, std::byte* packed,
                      std::vector<float>& decoded) {
  const TensorInfo& tensor = *place.tensor;
  const uint32_t rows = place.matrix->rows;
  const uint32_t columns = place.matrix->columns;
  const size_t row_bytes = tensor.data.size() / rows;
  const auto [begin, end] = worker.Share((rows + kRowGroup - 1) / kRowGroup);
  if (begin == end) return;
  const uint32_t last_row = std::min(rows, end * kRowGroup);
  for (uint32_t row = begin * kRowGroup; row < last_row; ++row) {
    DequantizeRow(tensor.type, tensor.data.subspan(row * row_bytes, row_bytes),
                  std::span(decoded).subspan(size_t{row} * columns, columns));
  }
  const auto source = std::as_bytes(std::span(decoded).first(size_t{rows} * columns));
  Pack(TensorType::kF32, source, rows, columns, packed, {begin, end});
}

void PackMatrix(const GgufFile& file, const WeightPlace& place, std::byte* packed,
                WorkerPool& pool) {
  if (place.packed_type == place.tensor->type) {
    pool.Run([&](const Worker& worker) { PackShare(worker, place, file, packed); });
    return;
  }
  std::vector<float> decoded(size_t{place.matrix->rows} * place.matrix->columns);
  pool.Run([&](const Worker& worker) { PackShareAsFloat(worker, place, packed, decoded); });
}

}  // namespace

void PackMatrices(const GgufFile& file, const WeightPlan& plan, std::byte* data, WorkerPool& pool,
                  const std::function<void(uint64_t done_bytes)>& progress) {
  uint64_t done_bytes = 0;
  for (const WeightPlace& place : plan.matrices) {
    PackMatrix(file, place, data + place.offset, pool);
    ReleasePages(file, place.tensor->data);
    done_bytes += place.tensor->data.size();
    if (progress) progress(done_bytes);
  }
}

void DecodeVectors(const GgufFile& file, const WeightPlan& plan, std::byte* data) {
  for (const WeightPlace& place : plan.vectors) {
    float* values = reinterpret_cast<float*>(data + place.offset);
    DequantizeRow(place.tensor->type, place.tensor->data, {values, place.tensor->columns()});
    ReleasePages(file, place.tensor->data);
    *place.vector = values;
  }
}

void PointMatrices(const WeightPlan& plan, const std::byte* data) {
  for (const WeightPlace& place : plan.matrices) place.matrix->data = data + place.offset;
}

}  // namespace quire
