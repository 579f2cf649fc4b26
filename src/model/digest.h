// model/digest.h -- one name for everything that decides a logit: tensors and configuration.
//
// The contents: XXH3-128 over the hashes of the bytes of each tensor, in file order and in pieces
// of 4 MiB, hashed by all workers. Pages of the file are released once hashed. The digest adds what
// costs nothing to read again: the configuration and each tensor's name, type and shape. It tells
// models apart; it does not defend against somebody who builds collisions.
#pragma once

#include <atomic>
#include <string>

#include "base/worker_pool.h"
#include "gguf/gguf_file.h"
#include "model/config.h"
#include "model/model.h"
#include "model/repack/digest_index.h"

namespace quire {

// Reads the whole file. Stops early, with a value that means nothing, once `stop` is set.
ContentDigest DigestContent(const GgufFile& file, WorkerPool& pool,
                            const std::atomic<bool>* stop = nullptr);

// 32 hex digits. `content`: of this file.
std::string DigestModel(const ModelConfig& config, Precision precision, const GgufFile& file,
                        const ContentDigest& content);

}  // namespace quire
