// apps/data_folder.h -- where a server keeps what outlives it.
#pragma once

#include <string>

#include "base/result.h"

namespace quire {

// ${XDG_DATA_HOME:-~/.local/share}/quire; empty if there is no such folder (no HOME).
std::string DefaultDataFolder();

// Makes it, with those above it, readable for its owner alone. kIo, naming it.
Status MakeDataFolder(const std::string& folder);

}  // namespace quire
