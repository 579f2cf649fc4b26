#include "gguf/gguf_file.h"

#include <fmt/format.h>

#include <unordered_map>

#include "base/mapped_file.h"
#include "gguf/gguf_part.h"

namespace quire {

struct GgufFile::Impl {
  std::vector<MappedFile> mappings;  // empty for Parse
  std::vector<std::string> paths;
  uint64_t file_bytes = 0;
  Metadata metadata;
  std::vector<TensorInfo> tensors;
  std::unordered_map<std::string_view, uint32_t> by_name;  // keys are the names in `tensors`

  void AddTensors(std::vector<TensorInfo> more);
  Status IndexTensors();
  Result<GgufPart> OpenPart(const std::string& path);
  Status OpenSiblings(const std::string& first_path, uint32_t count);
  Status CheckSplitTensors() const;
};

namespace {

Error InFile(const std::string& path, Error error) {
  error.message = fmt::format("'{}': {}", path, error.message);
  return error;
}

}  // namespace

void GgufFile::Impl::AddTensors(std::vector<TensorInfo> more) {
  for (TensorInfo& tensor : more) tensors.push_back(std::move(tensor));
}

// Once all are there and stay where they are. A directory has no duplicates, parts together may.
Status GgufFile::Impl::IndexTensors() {
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    if (by_name.emplace(tensors[i].name, i).second) continue;
    return Refuse(ErrorCode::kCorrupt,
                  fmt::format("tensor {} is in two parts", Quoted(tensors[i].name)));
  }
  return {};
}

Result<GgufPart> GgufFile::Impl::OpenPart(const std::string& path) {
  QUIRE_TRY(MappedFile mapping, MappedFile::Open(path));
  auto part = ParseGgufPart(mapping.bytes());
  if (!part) return std::unexpected(InFile(path, part.error()));
  file_bytes += mapping.bytes().size();
  mappings.push_back(std::move(mapping));
  paths.push_back(path);
  return part;
}

// Terminates on any set of files: `count` is at most 65535, and the part found under a name must
// say that it is the part of that name.
Status GgufFile::Impl::OpenSiblings(const std::string& first_path, uint32_t count) {
  for (uint32_t index = 1; index < count; ++index) {
    auto path = SiblingPath(first_path, index, count);
    if (!path) return std::unexpected(InFile(first_path, path.error()));
    auto part = OpenPart(*path);
    if (!part) {
      part.error().message =
          fmt::format("part {} of {}: {}", index + 1, count, part.error().message);
      return std::unexpected(part.error());
    }
    if (part->split_no != index || part->split_count != count) {
      return Refuse(ErrorCode::kCorrupt,
                    fmt::format("'{}': its metadata says part {} of {}, its name part {} of {}",
                                *path, part->split_no + 1, part->split_count, index + 1, count));
    }
    AddTensors(std::move(part->tensors));
  }
  return {};
}

Status GgufFile::Impl::CheckSplitTensors() const {
  constexpr std::string_view kKey = "split.tensors.count";
  if (!metadata.Has(kKey)) return {};
  const auto expected = metadata.GetUint(kKey);
  if (expected == tensors.size()) return {};
  return Refuse(ErrorCode::kCorrupt,
                fmt::format("metadata key '{}' says {}, the parts hold {} tensors", kKey,
                            expected ? fmt::to_string(*expected) : "no count", tensors.size()));
}

Result<GgufFile> GgufFile::Open(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  QUIRE_TRY(GgufPart first, impl->OpenPart(path));
  if (first.split_no != 0) {
    return Refuse(
        ErrorCode::kInvalidArgument,
        fmt::format("'{}' is part {} of {}; open the first part, '...-00001-of-{:05}.gguf'", path,
                    first.split_no + 1, first.split_count, first.split_count));
  }
  impl->metadata = std::move(first.metadata);
  impl->AddTensors(std::move(first.tensors));
  if (first.split_count > 1) {
    const Status siblings = impl->OpenSiblings(path, first.split_count);
    if (!siblings) return std::unexpected(siblings.error());
    const Status complete = impl->CheckSplitTensors();
    if (!complete) return std::unexpected(InFile(path, complete.error()));
  }
  const Status indexed = impl->IndexTensors();
  if (!indexed) return std::unexpected(InFile(path, indexed.error()));
  return GgufFile(std::move(impl));
}

Result<GgufFile> GgufFile::Parse(std::span<const std::byte> bytes) {
  QUIRE_TRY(GgufPart part, ParseGgufPart(bytes));
  if (part.split_count > 1) {
    return Refuse(ErrorCode::kUnsupported,
                  fmt::format("part {} of a model split over {} files cannot be read from memory",
                              part.split_no + 1, part.split_count));
  }
  auto impl = std::make_unique<Impl>();
  impl->file_bytes = bytes.size();
  impl->metadata = std::move(part.metadata);
  impl->AddTensors(std::move(part.tensors));
  const Status indexed = impl->IndexTensors();
  if (!indexed) return std::unexpected(indexed.error());
  return GgufFile(std::move(impl));
}

GgufFile::GgufFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GgufFile::GgufFile(GgufFile&&) noexcept = default;
GgufFile& GgufFile::operator=(GgufFile&&) noexcept = default;
GgufFile::~GgufFile() = default;

std::optional<std::string_view> GgufFile::GetString(std::string_view key) const {
  return impl_->metadata.GetString(key);
}
std::optional<uint64_t> GgufFile::GetUint(std::string_view key) const {
  return impl_->metadata.GetUint(key);
}
std::optional<int64_t> GgufFile::GetInt(std::string_view key) const {
  return impl_->metadata.GetInt(key);
}
std::optional<double> GgufFile::GetFloat(std::string_view key) const {
  return impl_->metadata.GetFloat(key);
}
std::optional<bool> GgufFile::GetBool(std::string_view key) const {
  return impl_->metadata.GetBool(key);
}
std::optional<std::vector<std::string_view>> GgufFile::GetStrings(std::string_view key) const {
  return impl_->metadata.GetStrings(key);
}
std::optional<std::vector<int64_t>> GgufFile::GetInts(std::string_view key) const {
  return impl_->metadata.GetInts(key);
}
std::optional<std::vector<float>> GgufFile::GetFloats(std::string_view key) const {
  return impl_->metadata.GetFloats(key);
}
bool GgufFile::Has(std::string_view key) const { return impl_->metadata.Has(key); }

std::vector<GgufFile::KeyLine> GgufFile::DescribeMetadata() const {
  return impl_->metadata.Describe();
}

std::span<const TensorInfo> GgufFile::tensors() const { return impl_->tensors; }

const TensorInfo* GgufFile::FindTensor(std::string_view name) const {
  const auto it = impl_->by_name.find(name);
  return it == impl_->by_name.end() ? nullptr : &impl_->tensors[it->second];
}

uint64_t GgufFile::file_bytes() const { return impl_->file_bytes; }
const std::vector<std::string>& GgufFile::paths() const { return impl_->paths; }

std::vector<std::span<const std::byte>> GgufFile::mappings() const {
  std::vector<std::span<const std::byte>> spans;
  for (const MappedFile& mapping : impl_->mappings) spans.push_back(mapping.bytes());
  return spans;
}

std::vector<FileIdentity> GgufFile::identities() const {
  std::vector<FileIdentity> identities;
  for (const MappedFile& mapping : impl_->mappings) identities.push_back(mapping.identity());
  return identities;
}

}  // namespace quire
