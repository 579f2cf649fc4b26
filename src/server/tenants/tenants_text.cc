#include "server/tenants/tenants_text.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "server/tenants/tenants_file.h"

namespace quire {
namespace {

constexpr mode_t kOwnerOnly = 0600;

// Byte offset of the start of a line, counted from 1.
size_t OffsetOf(std::string_view text, toml::source_index line) {
  size_t offset = 0;
  for (toml::source_index at = 1; at < line; ++at) {
    const size_t end = text.find('\n', offset);
    if (end == std::string_view::npos) return text.size();
    offset = end + 1;
  }
  return offset;
}

// The table of a tenant, as lines of the text: [first, last] from its header to its last value.
struct Lines {
  toml::source_index first = 0;
  toml::source_index last = 0;
  toml::source_index name = 0;
  toml::source_index generation = 0;  // 0: has none
};

Result<Lines> FindLines(const TenantsText& file, const std::string& name) {
  QUIRE_TRY(const TenantsFile parsed, TenantsFile::Parse(file.text, file.path));
  if (parsed.Find(name) == nullptr) {
    return Refuse(ErrorCode::kNotFound, fmt::format("{} has no tenant \"{}\"", file.path, name));
  }
  const toml::table document = toml::parse(file.text);
  for (const toml::node& node : *document["tenant"].as_array()) {
    const toml::table& table = *node.as_table();
    if (table["name"].value<std::string>() != name) continue;
    Lines lines;
    lines.first = table.source().begin.line;
    for (const auto& [key, value] : table) {
      lines.last = std::max(lines.last, value.source().end.line);
      if (key.str() == "generation") lines.generation = key.source().begin.line;
      if (key.str() == "name") lines.name = key.source().begin.line;
    }
    const size_t start = OffsetOf(file.text, lines.first);
    const size_t bracket = file.text.find_first_not_of(" \t", start);
    if (bracket == std::string::npos || file.text.compare(bracket, 2, "[[") != 0) break;
    return lines;
  }
  return Refuse(ErrorCode::kUnsupported,
                fmt::format("{}: tenant \"{}\" is not written as [[tenant]] on a line of its own; "
                            "change it by hand",
                            file.path, name));
}

Result<std::string> Checked(std::string text, const std::string& path) {
  QUIRE_TRY([[maybe_unused]] const TenantsFile parsed, TenantsFile::Parse(text, path));
  return text;
}

Error IoError(const std::string& what, const std::string& path) {
  return {ErrorCode::kIo, fmt::format("cannot {} '{}': {}", what, path, std::strerror(errno)), {}};
}

// A file that goes away unless it is renamed.
class Draft {
 public:
  explicit Draft(const std::string& target) : path_(target + ".XXXXXX") {
    fd_ = mkostemp(path_.data(), O_CLOEXEC);  // mode 0600
  }
  ~Draft() {
    if (fd_ < 0) return;
    close(fd_);
    if (!renamed_) unlink(path_.c_str());
  }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  Status Fill(std::string_view text, const struct stat* like) {
    if (fd_ < 0) return std::unexpected(IoError("create", path_));
    while (!text.empty()) {
      const ssize_t written = write(fd_, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return std::unexpected(IoError("write", path_));
      text.remove_prefix(static_cast<size_t>(written));
    }
    if (like != nullptr) {
      // The server may run as another user than the one who edits: it must still be able to read.
      const bool same = fchown(fd_, like->st_uid, like->st_gid) == 0;
      const mode_t mode = like->st_mode & 07777;
      if (fchmod(fd_, same ? mode : mode & ~mode_t{077}) != 0) {
        return std::unexpected(IoError("set the mode of", path_));
      }
    }
    if (fsync(fd_) != 0) return std::unexpected(IoError("write", path_));
    return {};
  }

  Status RenameTo(const std::string& target) {
    renamed_ = rename(path_.c_str(), target.c_str()) == 0;
    return renamed_ ? Status() : std::unexpected(IoError("replace", target));
  }

 private:
  std::string path_;
  int fd_ = -1;
  bool renamed_ = false;
};

}  // namespace

Result<std::string> TenantsText::Add(const std::string& name,
                                     const std::vector<TomlField>& fields) const {
  if (const Status fine = CheckTenantName(name); !fine) return std::unexpected(fine.error());
  QUIRE_TRY(const TenantsFile parsed, TenantsFile::Parse(text, path));
  if (parsed.Find(name) != nullptr) {
    return Refuse(ErrorCode::kConflict, fmt::format("{} has a tenant \"{}\" already", path, name));
  }
  std::string out = text;
  if (!out.empty() && out.back() != '\n') out += '\n';
  if (!out.empty()) out += '\n';
  out += fmt::format("[[tenant]]\nname = \"{}\"\n", name);
  for (const auto& [field, value] : fields) out += fmt::format("{} = {}\n", field, value);
  return Checked(std::move(out), path);
}

Result<std::string> TenantsText::Remove(const std::string& name) const {
  QUIRE_TRY(const Lines lines, FindLines(*this, name));
  const size_t begin = OffsetOf(text, lines.first);
  size_t end = OffsetOf(text, lines.last + 1);
  while (end < text.size() && text[end] == '\n') ++end;  // the empty lines that set it off
  return Checked(text.substr(0, begin) + text.substr(end), path);
}

Result<std::string> TenantsText::SetGeneration(const std::string& name, uint64_t generation) const {
  QUIRE_TRY(const Lines lines, FindLines(*this, name));
  std::string out = text;
  if (lines.generation == 0) {
    out.insert(OffsetOf(text, lines.name + 1), fmt::format("generation = {}\n", generation));
    return Checked(std::move(out), path);
  }
  const size_t equals = out.find('=', OffsetOf(text, lines.generation));
  const size_t begin = out.find_first_not_of(" \t", equals + 1);
  const size_t end = out.find_first_of(" \t\r\n#", begin);
  out.replace(begin, std::min(end, out.size()) - begin, std::to_string(generation));
  return Checked(std::move(out), path);
}

Status WriteTextFile(const std::string& path, std::string_view text) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path real = fs::weakly_canonical(path, error);  // through links, to what they mean
  const std::string target = error ? path : real.string();
  const fs::path folder = fs::path(target).parent_path();
  if (!folder.empty()) fs::create_directories(folder, error);
  struct stat old{};
  const bool exists = stat(target.c_str(), &old) == 0;
  Draft draft(target);
  if (const Status filled = draft.Fill(text, exists ? &old : nullptr); !filled) return filled;
  return draft.RenameTo(target);
}

}  // namespace quire
