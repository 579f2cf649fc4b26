// model/file_pages.h -- gives back the memory of file bytes that have been read.
//
// Loading reads a file twice (digest, repacking) and needs none of it later but the embedding
// table. Without this the whole file would count beside the repacked weights.
#pragma once

#include <cstddef>
#include <span>

#include "gguf/gguf_file.h"

namespace quire {

// Lets the system drop the pages that lie wholly in `bytes`, of a tensor of `file`, from our
// memory; they stay in its cache and come back when read. Any thread. Nothing happens to bytes that
// were given to GgufFile::Parse: they are somebody's memory.
void ReleasePages(const GgufFile& file, std::span<const std::byte> bytes);

// The same for all of it, metadata included.
void ReleaseAllPages(const GgufFile& file);

}  // namespace quire
