// model/model.h -- a model ready to run: its configuration and its repacked weights.
//
// Threads  immutable after Load.
// Memory   owns the packed weights (on huge pages where the system gives them); the GGUF mapping
// may
//          be dropped after Load, but for the embedding table, whose rows are decoded on demand.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/worker_pool.h"
#include "gguf/gguf_file.h"
#include "kernels/kv_view.h"
#include "model/config.h"

namespace quire {

// How exactly the forward pass computes.
enum class Precision : uint8_t {
  kQuantised,  // weights as in the file, int8 activations: for serving
  kFloat32,    // everything float32: proves formulas against references; slow, large
};

struct LoadOptions {
  Precision precision = Precision::kQuantised;
  std::function<void(uint64_t done_bytes, uint64_t total_bytes)> progress;  // called on one thread
};

struct ModelWeights;  // model/weights.h

class Model {
 public:
  // `file` is kept alive by the model. Repacks with all workers of `pool`.
  static Result<std::unique_ptr<Model>> Load(std::shared_ptr<const GgufFile> file,
                                             const LoadOptions& options, WorkerPool& pool);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelConfig& config() const { return config_; }
  const ModelWeights& weights() const { return *weights_; }
  Precision precision() const { return precision_; }

  // Hex digest over everything that decides a logit: tensors, configuration. Not the file's name.
  const std::string& digest() const { return digest_; }
  uint64_t weight_bytes() const { return weight_bytes_; }

  // The shape of this model's KV in `format`.
  KvShape kv_shape(KvFormat format) const;

 private:
  Model();
  ModelConfig config_;
  Precision precision_ = Precision::kQuantised;
  std::shared_ptr<const GgufFile> file_;
  std::unique_ptr<ModelWeights> weights_;
  std::string digest_;
  uint64_t weight_bytes_ = 0;
};

}  // namespace quire
