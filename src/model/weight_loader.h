// model/weight_loader.h -- brings a model's weights into memory: from the repack folder, or from
// the file and into that folder.
//
//   digest remembered? --no--> hash the file
//        |                        |
//        +------------------------+--> repack file there and good? --> map it
//                                        no: hash the file if not yet; repack; write; remember
//
// Errors  only of the model and of memory. What is wrong with the folder becomes a warning in the
//         report, one at most, and the weights are made from the file.
#pragma once

#include "base/result.h"
#include "base/worker_pool.h"
#include "gguf/gguf_file.h"
#include "model/model.h"
#include "model/repack/repack_folder.h"
#include "model/weight_plan.h"
#include "model/weights.h"

namespace quire {

class WeightLoader {
 public:
  // All must outlive the loader; `plan` points into `weights`.
  struct Parts {
    const GgufFile& file;
    const ModelConfig& config;
    const LoadOptions& options;
    const WeightPlan& plan;
    ModelWeights& weights;
    WorkerPool& pool;
  };
  explicit WeightLoader(const Parts& parts);

  Status Load();  // once

  const std::string& digest() const { return digest_; }
  const ContentDigest& content() const { return content_; }
  const LoadReport& report() const { return report_; }

 private:
  bool keeps() const;
  RepackKey Key() const;
  void RecallDigest();
  void ComputeDigest();
  bool OpenKept();
  Status UseMapping(MappedFile mapping);
  Status Repack();
  void Keep(std::span<std::byte> image);
  void Warn(std::string warning);

  Parts parts_;
  const RepackFolder folder_;
  const DigestIndex index_;
  std::string digest_;
  ContentDigest content_;
  LoadReport report_;
};

}  // namespace quire
