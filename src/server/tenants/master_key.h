// server/tenants/master_key.h -- the secret of this installation, from which all others are
// derived.
//
// 64 hex digits in a file that only its owner may read. Whoever has it can name the KV of every
// tenant; whoever loses it loses what was kept under it, so it lies outside the data directory.
//
// Errors   kInvalidArgument for a file that others may read or that holds something else; kIo.
#pragma once

#include <string>

#include "base/result.h"

namespace quire {

inline constexpr size_t kMasterKeyBytes = 32;

// ${XDG_CONFIG_HOME:-~/.config}/quire/FILE; empty if there is no such folder (no HOME).
std::string ConfigPath(const std::string& file);

// Reads the key, or draws and writes one if there is no file: of two servers that start at once,
// both get the same.
Result<std::string> LoadMasterKey(const std::string& path);

// 32 bytes for one purpose. Those of another purpose tell nothing of them.
std::string DeriveSecret(const std::string& master_key, const std::string& purpose);

}  // namespace quire
