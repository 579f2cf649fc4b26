// kernels/matmul.h -- multiplies activations by the weight matrices of a GGUF file.
//
//   out[token][row] (=|+=) (sum over k of weight[row][k] * x[token][k]) + bias[row]
//
// Weights are repacked once into groups of 16 rows (kernels/packed_layout.h), unsigned, at about
// the density of the file; lanes are rows, the reduction axis is never split. Activations are int8,
// one scale per token and 32 values (or float32 for float weights).
//
// Numerics, the same on every instruction set and for any number of tokens, threads or tiles; the
// exact sequence stands in kernels/matmul_steps.h. The sum starts at 0:
//   integer weights  per 32-block, ascending: exact integer dot; one multiply of the two scales;
//                    one FMA into f32; a second FMA where the type has minimums.
//   float weights    one f32 FMA per k, ascending.
// Then the bias is added, rounded once: some of qwen's are so large that products added to them one
// after another would lose their lower half. A residual comes last. A change of any of this bumps
// kNumericsVersion (kernels/numerics.h).
//
// Threads  all functions are pure over their arguments: workers call them on disjoint ranges.
// Errors   none: shapes were checked when the model was loaded; misuse aborts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "gguf/tensor_type.h"

namespace quire {

inline constexpr uint32_t kRowGroup = 16;    // rows of weights per vector
inline constexpr uint32_t kQuantBlock = 32;  // values that share an activation scale

// How a packed matrix reads its activations.
enum class ActivationKind : uint8_t { kInt8, kF32 };
ActivationKind ActivationKindOf(TensorType type);

// A repacked matrix: a view of bytes that the caller owns (model/weights.h). Rows beyond `rows` in
// the last group are zero weights and are never stored to `out`.
struct PackedMatrix {
  TensorType type = TensorType::kF32;
  uint32_t rows = 0;
  uint32_t columns = 0;
  const std::byte* data = nullptr;  // 64-byte aligned, PackedBytes() long
};

// Bytes the packed form takes; a multiple of 64.
size_t PackedBytes(TensorType type, uint32_t rows, uint32_t columns);

// Repacks row groups [first_group, end_group) of a file tensor (`source`: all rows, as in the file)
// into `packed` (start of the whole packed matrix).
struct PackRange {
  uint32_t first_group;
  uint32_t end_group;
};
void Pack(TensorType type, std::span<const std::byte> source, uint32_t rows, uint32_t columns,
          std::byte* packed, PackRange range);

// Decodes one row of a file tensor to f32: embedding look-ups and the float32 mode. `row` holds
// `columns` values in whole blocks of `type`.
void DequantizeRow(TensorType type, std::span<const std::byte> row, std::span<float> out);

// Activations of up to `max_tokens` rows of up to `max_columns` values, ready for MatMul in either
// kind. The inner layout belongs to the kernels. Owns its memory; sized once, never grows.
class Activations {
 public:
  Activations(uint32_t max_tokens, uint32_t max_columns);
  ~Activations();
  Activations(const Activations&) = delete;
  Activations& operator=(const Activations&) = delete;

  // Declares the shape of what is about to be stored: by one worker, before a barrier.
  void SetShape(uint32_t tokens, uint32_t columns);
  // Stores row `token` (quantised and/or as f32): each row by one worker, any order. `x` holds
  // columns() values; columns must be a multiple of 32 for kInt8.
  struct Kinds {
    bool int8 = true;
    bool f32 = false;
  };
  void StoreRow(uint32_t token, const float* x, Kinds kinds);
  // Stores columns [first, first + x.size()) of a row, both multiples of kQuantBlock: so several
  // workers may fill one row.
  void StoreColumns(uint32_t token, uint32_t first, std::span<const float> x, Kinds kinds);

  uint32_t tokens() const { return tokens_; }
  uint32_t columns() const { return columns_; }

 private:
  void QuantiseColumns(uint32_t token, uint32_t first, std::span<const float> x);

  friend struct ActivationsAccess;  // the kernels' own look inside
  uint32_t tokens_ = 0;
  uint32_t columns_ = 0;
  struct Storage;
  Storage* storage_;
};

// Where the products go.
struct MatMulOut {
  float* data = nullptr;        // out[token * stride + row]
  size_t stride = 0;            // in floats
  const float* bias = nullptr;  // [rows] or null; added to the finished sum
  bool accumulate = false;      // += (a residual) instead of =
};

// Computes rows [first_row, end_row) of all tokens of `x`. first_row is a multiple of kRowGroup,
// and so is end_row unless it is matrix.rows.
void MatMul(const PackedMatrix& matrix, const Activations& x, const MatMulOut& out,
            uint32_t first_row, uint32_t end_row);

// The same for chosen tokens only (logits of the rows that need them) is had by storing just those
// rows in an Activations.

}  // namespace quire
