// plan/capacity/model_shape.h -- the sizes of a model: all that memory and time depend on.
//
// Read from a file (whose weights are not looked at), or made from a description of a model that
// one does not have (shape_json.h). What decides values only, such as rope's bases, is not here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gguf/gguf_file.h"
#include "gguf/tensor_type.h"
#include "kernels/kv_view.h"
#include "model/config.h"

namespace quire {

struct ShapeTensor {
  static constexpr int32_t kNoLayer = -1;
  int32_t layer = kNoLayer;
  std::string name = {};  // without "blk.N."; the last matrix is "output.weight", tied or not
  TensorType type = TensorType::kF32;
  uint32_t rows = 1;
  uint32_t columns = 0;

  bool is_matrix() const { return rows > 1; }
  uint64_t packed_bytes() const;  // as it lies in a server's memory, padded to 64
};

struct ModelShape {
  ModelConfig config = {};  // of a description: sizes only
  std::vector<ShapeTensor> tensors = {};
  uint64_t embedding_bytes = 0;   // rows that are looked up, in the file's own form
  uint64_t vocabulary_bytes = 0;  // of the tokenizer in memory
  bool vocabulary_estimated = true;

  uint64_t weight_bytes() const;
  bool has_float_matrices() const;
  KvShape kv(KvFormat format) const;
  uint32_t num_windowed() const;  // layers

  // What tells its speed apart from that of others: equal keys, equal times on one machine.
  std::string Key() const;
};

// What a tokenizer takes for each entry of its vocabulary, about; of byte-level ones, which are the
// larger kind.
inline constexpr uint64_t kVocabularyEntryBytes = 230;

// `config` is what ReadModelConfig said of `file`.
ModelShape ShapeOfFile(const GgufFile& file, const ModelConfig& config);

// What a pass over one row multiplies: in every layer for each row, and for rows that want logits.
struct PassWork {
  double dot_ops = 0;    // byte products and additions
  double float_ops = 0;  // of matrices of a float type
  double bytes = 0;      // of packed weights, read once a pass
};
struct MatrixWork {
  PassWork every_row;    // layers; of the last one only what keys and values of a row need
  PassWork logits_only;  // the rest of the last layer
  PassWork output;       // the last matrix
};
MatrixWork WorkOf(const ModelShape& shape);

}  // namespace quire
