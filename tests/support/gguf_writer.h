// tests/support/gguf_writer.h -- builds GGUF files in memory, well-formed or wrong in one chosen
// way.
//
// By default the result is a valid file. To make it wrong, override a field of the header, add a
// value of any kind by its raw bytes, or give a tensor a type id or an offset of one's own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/metadata.h"
#include "gguf/tensor_type.h"

namespace quire::test {

// Little-endian bytes, appended one value after the other.
class ByteSink {
 public:
  void U8(uint8_t value) { bytes_.push_back(std::byte{value}); }
  void U16(uint16_t value) { Number(value, 2); }
  void U32(uint32_t value) { Number(value, 4); }
  void U64(uint64_t value) { Number(value, 8); }
  void F32(float value);
  void String(std::string_view text);  // its length as u64, then its bytes
  void Append(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  void AlignTo(size_t alignment) {
    while (bytes_.size() % alignment != 0) U8(0);
  }
  size_t size() const { return bytes_.size(); }
  const std::vector<std::byte>& bytes() const { return bytes_; }
  std::vector<std::byte> Take() { return std::move(bytes_); }

 private:
  void Number(uint64_t value, int num_bytes);
  std::vector<std::byte> bytes_;
};

class GgufWriter {
 public:
  struct Header {
    std::string magic = "GGUF";
    uint32_t version = 3;
    std::optional<uint64_t> num_tensors;  // as claimed; default: as added
    std::optional<uint64_t> num_pairs;
    size_t alignment = 32;  // of the data; AddUint("general.alignment") is the caller's part
  };
  struct Tensor {
    std::string name;
    uint32_t type_id = 0;
    std::vector<uint64_t> shape;  // GGUF order
    std::vector<std::byte> data;
    std::optional<uint64_t> offset = std::nullopt;  // default: behind the tensor before
  };

  Header& header() { return header_; }

  void AddString(std::string_view key, std::string_view value);
  void AddUint(std::string_view key, uint32_t value);
  void AddUint16(std::string_view key, uint16_t value);
  void AddFloat(std::string_view key, float value);
  void AddBool(std::string_view key, bool value);
  void AddStrings(std::string_view key, std::span<const std::string> values);
  void AddFloats(std::string_view key, std::span<const float> values);
  void AddInts(std::string_view key, std::span<const int32_t> values);
  // Any value, right or wrong: `raw` is what follows the kind in the file.
  void AddRaw(std::string_view key, uint32_t kind, std::span<const std::byte> raw);

  void AddTensor(Tensor tensor) { tensors_.push_back(std::move(tensor)); }

  std::vector<std::byte> Finish() const;

 private:
  void BeginPair(std::string_view key, ValueKind kind);
  void BeginArray(std::string_view key, ValueKind element, uint64_t count);

  Header header_;
  uint64_t num_pairs_ = 0;
  ByteSink pairs_;
  std::vector<Tensor> tensors_;
};

// Writes a whole file, or aborts: a test that cannot write its input has nothing to test.
void WriteBytes(const std::string& path, std::span<const std::byte> bytes);

}  // namespace quire::test
