// apps/plan/disk_meter.h -- how fast a folder is read.
//
// Threads  one caller. Some hundred milliseconds.
#pragma once

#include <string>

namespace quire {

// Bytes a second read from a file in `folder`, past the system's cache; 0 if that cannot be
// measured there.
double MeasureDisk(const std::string& folder);

}  // namespace quire
