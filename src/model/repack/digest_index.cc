#include "model/repack/digest_index.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "model/repack/file_writer.h"

namespace quire {
namespace {

constexpr std::string_view kMagic = "QUIREIDX";

struct Record {
  uint64_t identity[2];  // XXH3-128 of the FileIdentity of every part
  uint64_t digest[2];    // high, low
  uint64_t checksum;     // of the four numbers before
};
static_assert(sizeof(Record) == 40);
static_assert(sizeof(FileIdentity) == 40, "hashed as bytes: no padding");

uint64_t ChecksumOf(const Record& record) {
  return XXH3_64bits(&record, offsetof(Record, checksum));
}

Record MakeRecord(std::span<const FileIdentity> files, const ContentDigest& digest) {
  const XXH128_hash_t identity = XXH3_128bits(files.data(), files.size_bytes());
  Record record{.identity = {identity.high64, identity.low64},
                .digest = {digest.high, digest.low},
                .checksum = 0};
  record.checksum = ChecksumOf(record);
  return record;
}

bool SameFiles(const Record& a, const Record& b) {
  return std::equal(std::begin(a.identity), std::end(a.identity), std::begin(b.identity));
}

std::vector<Record> ReadRecords(const std::string& path) {
  constexpr size_t kMaxBytes = kMagic.size() + DigestIndex::kMaxRemembered * sizeof(Record);
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return {};
  std::ifstream file(path, std::ios::binary);
  std::string bytes(kMaxBytes, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(file.gcount()));
  if (!bytes.starts_with(kMagic)) return {};
  std::vector<Record> records;
  for (size_t at = kMagic.size(); at + sizeof(Record) <= bytes.size(); at += sizeof(Record)) {
    Record record;
    std::memcpy(&record, bytes.data() + at, sizeof record);
    if (record.checksum == ChecksumOf(record)) records.push_back(record);
  }
  return records;
}

Status WriteRecords(const std::string& path, const std::vector<Record>& records) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  std::vector<std::byte> bytes(kMagic.size() + records.size() * sizeof(Record));
  std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
  if (!records.empty()) {
    std::memcpy(bytes.data() + kMagic.size(), records.data(), records.size() * sizeof(Record));
  }
  return WriteWholeFile(path, bytes, nullptr);
}

}  // namespace

DigestIndex::DigestIndex(std::string path) : path_(std::move(path)) {}

std::optional<ContentDigest> DigestIndex::Find(std::span<const FileIdentity> files) const {
  if (files.empty()) return std::nullopt;
  const Record wanted = MakeRecord(files, {});
  for (const Record& record : ReadRecords(path_)) {
    if (SameFiles(record, wanted)) return ContentDigest{record.digest[0], record.digest[1]};
  }
  return std::nullopt;
}

Status DigestIndex::Remember(std::span<const FileIdentity> files,
                             const ContentDigest& digest) const {
  if (files.empty()) return {};
  const Record added = MakeRecord(files, digest);
  std::vector<Record> records = ReadRecords(path_);
  std::erase_if(records, [&](const Record& record) { return SameFiles(record, added); });
  records.insert(records.begin(), added);
  if (records.size() > kMaxRemembered) records.resize(kMaxRemembered);
  return WriteRecords(path_, records);
}

Status DigestIndex::Forget(std::span<const FileIdentity> files) const {
  if (files.empty()) return {};
  const Record forgotten = MakeRecord(files, {});
  std::vector<Record> records = ReadRecords(path_);
  if (std::erase_if(records, [&](const Record& r) { return SameFiles(r, forgotten); }) == 0) {
    return {};
  }
  return WriteRecords(path_, records);
}

}  // namespace quire
