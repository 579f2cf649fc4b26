// gguf/gguf_file.h -- a model file: its metadata and where its tensors are.
//
// GGUF versions 2 and 3, little-endian, mapped read-only. A model split over files named
// `-00001-of-000NN.gguf` is opened by its first part and reads as one. Every count, offset, length,
// alignment and string is checked before it is used: a hostile file gives an Error, never a crash,
// and never makes us allocate more than a small multiple of its own size.
//
// Format: ggml's docs/gguf.md.
//
// Threads  immutable after Open: any number of readers.
// Owner    the object owns the mappings; every span and string_view points into them or into it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "gguf/metadata.h"
#include "gguf/tensor_directory.h"

namespace quire {

class GgufFile {
 public:
  // kNotFound, kIo: the file, or the part named in the message, cannot be read. kCorrupt: it is not
  // what it claims to be. kUnsupported: valid, but of a version, byte order or tensor type that is
  // not read here. kInvalidArgument: a directory, or a part that is not the first.
  static Result<GgufFile> Open(const std::string& path);

  // The same over bytes that the caller keeps alive (tests, fuzzers); never split.
  static Result<GgufFile> Parse(std::span<const std::byte> bytes);

  GgufFile(GgufFile&&) noexcept;
  GgufFile& operator=(GgufFile&&) noexcept;
  ~GgufFile();

  // Metadata by key: nullopt when the key is absent or holds another kind. GetUint takes any
  // integer kind that is not negative; GetInt any integer; GetFloat takes float32 and float64.
  std::optional<std::string_view> GetString(std::string_view key) const;
  std::optional<uint64_t> GetUint(std::string_view key) const;
  std::optional<int64_t> GetInt(std::string_view key) const;
  std::optional<double> GetFloat(std::string_view key) const;
  std::optional<bool> GetBool(std::string_view key) const;
  std::optional<std::vector<std::string_view>> GetStrings(std::string_view key) const;
  std::optional<std::vector<int64_t>> GetInts(std::string_view key) const;  // array of integers
  std::optional<std::vector<float>> GetFloats(std::string_view key) const;  // array of floats
  bool Has(std::string_view key) const;

  // Every key in file order, with its kind and a short printable value ("[49152 strings]").
  using KeyLine = Metadata::Line;
  std::vector<KeyLine> DescribeMetadata() const;

  std::span<const TensorInfo> tensors() const;
  const TensorInfo* FindTensor(std::string_view name) const;  // nullptr if there is none
  uint64_t file_bytes() const;                                // of all parts together
  const std::vector<std::string>& paths() const;              // of all parts, in order
  std::vector<FileIdentity> identities() const;               // of all parts; empty for Parse
  std::vector<std::span<const std::byte>> mappings() const;   // the same

 private:
  struct Impl;
  explicit GgufFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace quire
