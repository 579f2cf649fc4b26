// tier/ssd/folder_survey.h -- what a folder of segments holds, for people: without a key, and
// without disturbing a server that uses it.
//
// Threads  none. Errors  what cannot be read is counted as damaged; a folder that is not there is
//          empty.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "tier/io/disk_environment.h"
#include "tier/ssd/record_format.h"

namespace quire {

struct FolderSurvey {
  struct Group {
    uint64_t records = 0;
    uint64_t blocks = 0;
    uint64_t bytes = 0;
    uint64_t damaged_blocks = 0;
  };
  using Key = std::tuple<ShortTag, uint64_t, std::string, bool>;  // owner, generation, KV format,
                                                                  // sealed
  uint64_t segments = 0;
  uint64_t damaged_segments = 0;
  uint64_t file_bytes = 0;
  std::map<Key, Group> groups;
};

// `verify`: reads every byte and compares it with its checksum.
FolderSurvey SurveyFolder(DiskEnvironment& disk, const std::string& path, bool verify);

}  // namespace quire
