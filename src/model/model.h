// model/model.h -- a model ready to run: its configuration and its repacked weights.
//
// Repacking takes seconds, so its result is kept in a folder (model/repack/repack_folder.h) and the
// next start maps it. Nothing that is wrong with that folder keeps a model from loading.
//
// Threads  immutable after Load.
// Memory   the packed weights, made in memory on huge pages or mapped; of the GGUF file the rows of
//          the embedding table that are looked up.
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
#include "model/repack/digest_index.h"

namespace quire {

// How exactly the forward pass computes.
enum class Precision : uint8_t {
  kQuantised,  // weights as in the file, int8 activations: for serving
  kFloat32,    // everything float32: proves formulas against references; slow, large
};

struct LoadOptions {
  Precision precision = Precision::kQuantised;
  // Of repacking and of writing its result, if there is any; called on one thread.
  std::function<void(uint64_t done_bytes, uint64_t total_bytes)> progress = {};
  std::string repack_folder = {};  // where repacked weights are kept; empty: nowhere
  uint64_t repack_limit_bytes = uint64_t{32} << 30;  // of all files there
};

enum class WeightSource : uint8_t {
  kRepacked,  // made in memory
  kMapped,    // a file of the repack folder, mapped
  kCopied,    // the same copied into memory, because the mapping has small pages
};

// What happened during a load that somebody may want to know.
struct LoadReport {
  WeightSource source = WeightSource::kRepacked;
  bool digest_remembered = false;  // the contents were not read: check them (model/content_check.h)
  std::string repack_path;         // the file that was read or written; empty: none
  std::string warning;             // why nothing is kept, or what was damaged; empty: all is well
  struct Seconds {
    double digest = 0;
    double repack = 0;
    double write = 0;
    double map = 0;  // reading and checking a kept file
  } seconds;
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
  const ContentDigest& content() const { return content_; }  // of the tensors' bytes alone
  uint64_t weight_bytes() const { return weight_bytes_; }
  const LoadReport& load_report() const { return report_; }

  // The shape of this model's KV in `format`.
  KvShape kv_shape(KvFormat format) const;

 private:
  Model();
  ModelConfig config_;
  Precision precision_ = Precision::kQuantised;
  std::shared_ptr<const GgufFile> file_;
  std::unique_ptr<ModelWeights> weights_;
  std::string digest_;
  ContentDigest content_;
  uint64_t weight_bytes_ = 0;
  LoadReport report_;
};

}  // namespace quire
