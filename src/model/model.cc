#include "model/model.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "model/digest.h"
#include "model/file_pages.h"
#include "model/weight_plan.h"
#include "model/weights.h"

namespace quire {
namespace {

// Repacks the worker's share of a matrix's rows straight from the file's bytes.
void PackShare(const Worker& worker, const WeightPlace& place, std::byte* packed) {
  const TensorInfo& tensor = *place.tensor;
  const uint32_t rows = place.matrix->rows;
  const auto [begin, end] = worker.Share((rows + kRowGroup - 1) / kRowGroup);
  if (begin == end) return;
  Pack(tensor.type, tensor.data, rows, place.matrix->columns, packed, {begin, end});
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

void PackPlace(const WeightPlace& place, std::byte* memory, WorkerPool& pool) {
  const TensorInfo& tensor = *place.tensor;
  std::byte* packed = memory + place.offset;
  if (place.vector != nullptr) {
    float* values = reinterpret_cast<float*>(packed);
    DequantizeRow(tensor.type, tensor.data, {values, tensor.columns()});
    *place.vector = values;
    return;
  }
  place.matrix->data = packed;
  if (place.packed_type == tensor.type) {
    pool.Run([&](const Worker& worker) { PackShare(worker, place, packed); });
    return;
  }
  std::vector<float> decoded(size_t{place.matrix->rows} * place.matrix->columns);
  pool.Run([&](const Worker& worker) { PackShareAsFloat(worker, place, packed, decoded); });
}

uint64_t TensorBytes(const WeightPlan& plan) {
  uint64_t bytes = 0;
  for (const WeightPlace& place : plan.places) bytes += place.tensor->data.size();
  return bytes;
}

}  // namespace

Model::Model() = default;
Model::~Model() = default;

Result<std::unique_ptr<Model>> Model::Load(std::shared_ptr<const GgufFile> file,
                                           const LoadOptions& options, WorkerPool& pool) {
  std::unique_ptr<Model> model(new Model());
  model->file_ = std::move(file);
  const GgufFile& source = *model->file_;
  QUIRE_TRY(model->config_, ReadModelConfig(source));
  model->precision_ = options.precision;
  model->weights_ = std::make_unique<ModelWeights>();
  ModelWeights& weights = *model->weights_;
  QUIRE_TRY(const WeightPlan plan, PlanWeights(source, model->config_, options.precision, weights));
  QUIRE_TRY(weights.memory, HugeBuffer::Allocate(plan.bytes));
  model->weight_bytes_ = plan.bytes;
  model->digest_ = DigestModel(model->config_, options.precision, source, pool);

  const uint64_t total_bytes = TensorBytes(plan);
  uint64_t done_bytes = 0;
  for (const WeightPlace& place : plan.places) {
    PackPlace(place, weights.memory.data(), pool);
    ReleasePages(source, place.tensor->data);
    done_bytes += place.tensor->data.size();
    if (options.progress) options.progress(done_bytes, total_bytes);
  }
  return model;
}

KvShape Model::kv_shape(KvFormat format) const {
  return {.layers = config_.layers,
          .kv_heads = config_.kv_heads,
          .head_dim = config_.head_dim,
          .format = format};
}

}  // namespace quire
