// model/repack/file_writer.h -- puts a whole file in place at once, or not at all.
//
// The bytes go to a temporary file beside `path`, which then takes its name: readers and other
// writers see the old file or the new one, whatever happens meanwhile. A temporary file is locked
// while it is written; RemoveLeftovers deletes those of writers that died.
//
// Pieces of 2 MiB are written at multiples of 2 MiB: file systems that can then keep them in pages
// of that size, and a mapping of the file is read as fast as other huge pages.
//
// No fsync: what a power cut leaves behind fails its checksums and is made anew.
//
// Errors  kIo names the path and the reason: a full disk, a limit on file sizes, no permission.
//         Nothing is left behind.
// Threads any; two writers of the same path do not disturb each other, the last one's file stays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/result.h"

namespace quire {

Status WriteWholeFile(const std::string& path, std::span<const std::byte> bytes,
                      const std::function<void(uint64_t done_bytes)>& progress);

// Deletes the temporary files in `folder` that nobody has been writing for a minute.
void RemoveLeftovers(const std::string& folder);

}  // namespace quire
