#include "model/model.h"

#include "model/weight_loader.h"
#include "model/weight_plan.h"
#include "model/weights.h"

namespace quire {

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
  model->weight_bytes_ = plan.matrix_bytes + plan.vector_bytes;
  WeightLoader loader({source, model->config_, options, plan, weights, pool});
  if (const Status loaded = loader.Load(); !loaded) return std::unexpected(loaded.error());
  model->digest_ = loader.digest();
  model->content_ = loader.content();
  model->report_ = loader.report();
  return model;
}

KvShape Model::kv_shape(KvFormat format) const {
  return {.layers = config_.layers,
          .kv_heads = config_.kv_heads,
          .head_dim = config_.head_dim,
          .format = format};
}

}  // namespace quire
