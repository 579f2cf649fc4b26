// model/repack/digest_index.h -- remembers the digest of a file's contents by its inode, size and
// times.
//
// Hashing a model takes as long as reading it; this takes a look at a small file. What it answers
// is as good as the times of the file system: who uses it checks the contents later, beside other
// work (model/content_check.h), and forgets what was wrong.
//
// File: "QUIREIDX", then up to kMaxRemembered records of 40 bytes, the newest first; byte table in
// docs/formats.md. A record that fails its checksum is skipped. Processes that remember at the same
// time may lose one of the two records, which costs hashing that file once more.
//
// Threads  any. Errors: Remember and Forget say kIo; a missing or damaged index knows nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/mapped_file.h"
#include "base/result.h"

namespace quire {

// XXH3-128 of the tensors of a model file (model/digest.h).
struct ContentDigest {
  uint64_t high = 0;
  uint64_t low = 0;
  bool operator==(const ContentDigest&) const = default;
};

class DigestIndex {
 public:
  static constexpr size_t kMaxRemembered = 256;

  explicit DigestIndex(std::string path);

  // That of a repack folder.
  static DigestIndex In(const std::string& folder) { return DigestIndex(folder + "/digests"); }

  // `files`: all parts of one model, in order.
  std::optional<ContentDigest> Find(std::span<const FileIdentity> files) const;
  Status Remember(std::span<const FileIdentity> files, const ContentDigest& digest) const;
  Status Forget(std::span<const FileIdentity> files) const;

 private:
  std::string path_;
};

}  // namespace quire
