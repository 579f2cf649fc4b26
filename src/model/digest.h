// model/digest.h -- one name for everything that decides a logit: tensors and configuration.
//
// XXH3-128 over the configuration and, for each tensor in file order, its name, type, shape and the
// hashes of its bytes in pieces of 4 MiB. Pieces are hashed by all workers. It tells models apart;
// it does not defend against somebody who builds collisions. Pages of the file are released once
// hashed.
#pragma once

#include <string>

#include "base/worker_pool.h"
#include "gguf/gguf_file.h"
#include "model/config.h"
#include "model/model.h"

namespace quire {

std::string DigestModel(const ModelConfig& config, Precision precision, const GgufFile& file,
                        WorkerPool& pool);

}  // namespace quire
