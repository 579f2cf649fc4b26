// apps/disk_flags.h -- the flags that say how much KV is kept on disk, and how.
#pragma once

#include <CLI/App.hpp>
#include <string>

#include "apps/engine_flags.h"
#include "base/result.h"

namespace quire {

struct DiskFlags {
  std::string disk = "auto";      // size; auto: a share of what is free; 0: none
  std::string encryption = "on";  // or off
  std::string page_cache = "on";  // or off
};

void AddDiskFlags(CLI::App& app, DiskFlags& flags);

// Bytes of KV that `disk` allows in the folder `data`, empty: the user's own.
Result<uint64_t> DiskBytes(const std::string& disk, const std::string& data);

// Says in `engine` where and how KV is kept. `data`: the folder that was asked for; empty: the
// user's own. A place that was asked for must be usable, any other one need not.
Status ResolveDisk(const DiskFlags& flags, const std::string& data, EngineFlags& engine);

}  // namespace quire
