#include "server/tenants/master_key.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

#include "base/check.h"

namespace quire {
namespace {

constexpr mode_t kOthers = 077;

// An open file.
class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

std::unexpected<Error> IoError(const std::string& what, const std::string& path) {
  return Refuse(ErrorCode::kIo,
                fmt::format("cannot {} the master key '{}': {}", what, path, std::strerror(errno)),
                "master-key-file");
}

// Nothing if there is no such file.
Result<std::optional<std::string>> Read(const std::string& path) {
  const File file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.fd() < 0 && errno == ENOENT) return std::nullopt;
  struct stat status{};
  if (file.fd() < 0 || fstat(file.fd(), &status) != 0) return IoError("read", path);
  if ((status.st_mode & kOthers) != 0) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("others may read the master key '{0}' (mode {1:o}); "
                              "`chmod 600 {0}` if nobody did, or delete it to draw a new one",
                              path, status.st_mode & 07777),
                  "master-key-file");
  }
  std::string text(2 * kMasterKeyBytes + 2, '\0');
  const ssize_t size = read(file.fd(), text.data(), text.size());
  if (size < 0) return IoError("read", path);
  text.resize(static_cast<size_t>(size));
  if (text.ends_with('\n')) text.pop_back();
  std::string key(kMasterKeyBytes, '\0');
  size_t bytes = 0;
  const bool hex = text.size() == 2 * kMasterKeyBytes &&
                   sodium_hex2bin(reinterpret_cast<unsigned char*>(key.data()), key.size(),
                                  text.data(), text.size(), nullptr, &bytes, nullptr) == 0 &&
                   bytes == key.size();
  if (!hex) {
    return Refuse(
        ErrorCode::kInvalidArgument,
        fmt::format("'{}' is no master key: it must hold {} hex digits", path, 2 * kMasterKeyBytes),
        "master-key-file");
  }
  return std::optional(std::move(key));
}

// Under another name first, so that nobody ever reads half a key; the first to link it wins.
Status Create(const std::string& path) {
  std::error_code error;
  const auto folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  unsigned char key[kMasterKeyBytes];
  randombytes_buf(key, sizeof(key));
  char text[2 * kMasterKeyBytes + 1];
  sodium_bin2hex(text, sizeof(text), key, sizeof(key));
  text[2 * kMasterKeyBytes] = '\n';
  std::string draft = path + ".XXXXXX";
  const File file(mkostemp(draft.data(), O_CLOEXEC));  // mode 0600
  if (file.fd() < 0) return IoError("create", path);
  const bool written =
      write(file.fd(), text, sizeof(text)) == ssize_t{sizeof(text)} && fsync(file.fd()) == 0;
  const bool linked = written && (link(draft.c_str(), path.c_str()) == 0 || errno == EEXIST);
  const int why = errno;
  unlink(draft.c_str());
  errno = why;
  return linked ? Status() : IoError("create", path);
}

}  // namespace

std::string ConfigPath(const std::string& file) {
  const char* given = std::getenv("XDG_CONFIG_HOME");
  if (given != nullptr && *given == '/') return std::string(given) + "/quire/" + file;
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home != '/') return {};
  return std::string(home) + "/.config/quire/" + file;
}

Result<std::string> LoadMasterKey(const std::string& path) {
  QUIRE_CHECK(sodium_init() >= 0, "libsodium does not work here");
  QUIRE_TRY(auto key, Read(path));
  if (key) return *std::move(key);
  if (const Status created = Create(path); !created) return std::unexpected(created.error());
  QUIRE_TRY(key, Read(path));
  if (!key) return Refuse(ErrorCode::kIo, fmt::format("the master key '{}' has gone", path));
  return *std::move(key);
}

std::string DeriveSecret(const std::string& master_key, const std::string& purpose) {
  QUIRE_CHECK(master_key.size() == kMasterKeyBytes);
  std::string secret(kMasterKeyBytes, '\0');
  crypto_generichash(reinterpret_cast<unsigned char*>(secret.data()), secret.size(),
                     reinterpret_cast<const unsigned char*>(purpose.data()), purpose.size(),
                     reinterpret_cast<const unsigned char*>(master_key.data()), master_key.size());
  return secret;
}

}  // namespace quire
