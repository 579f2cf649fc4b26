#include "apps/data_folder.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace quire {

std::string DefaultDataFolder() {
  const char* given = std::getenv("XDG_DATA_HOME");
  if (given != nullptr && *given == '/') return std::string(given) + "/quire";
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home != '/') return {};
  return std::string(home) + "/.local/share/quire";
}

Status MakeDataFolder(const std::string& folder) {
  std::error_code error;
  const auto parent = std::filesystem::path(folder).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  struct stat status{};
  const bool made = mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST;
  const int why = errno;
  if (made && stat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
  return Refuse(ErrorCode::kIo,
                fmt::format("cannot make the folder '{}': {}", folder,
                            made ? "there is a file of that name" : std::strerror(why)),
                "data");
}

}  // namespace quire
