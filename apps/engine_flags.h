// apps/engine_flags.h -- the flags that say how a model runs, and starting an engine from them.
#pragma once

#include <CLI/App.hpp>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "apps/flags/thread_flags.h"
#include "apps/start_report.h"
#include "base/result.h"
#include "engine/engine.h"
#include "gguf/gguf_file.h"
#include "model/content_check.h"
#include "model/model.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace quire {

struct EngineFlags {
  std::string model;  // path
  ThreadFlags threads;
  uint32_t context = 0;            // tokens of one request; 0: the model's own
  std::string kv_memory = "auto";  // size; auto: a share of the free memory
  std::string kv_format = "auto";
  uint32_t max_sequences = 64;
  uint32_t queue_limit = 256;
  uint32_t step_tokens = 0;
  uint32_t target_itl_ms = 150;
  std::string eviction = "auto";
  uint32_t tool_keep_seconds = 600;
  std::string repack_dir = "auto";  // path; auto: in the user's cache folder; off or 0: none
  std::string repack_limit = "32GiB";
  std::string config;        // settings file
  std::string scope_secret;  // EngineOptions::scope_secret; no flag

  // EngineOptions of the same names; set by ResolveDisk.
  std::string disk_folder;
  uint64_t disk_bytes = 0;
  bool disk_encryption = true;
  bool disk_page_cache = true;
  bool disk_required = false;

  // The folder meant by repack_dir; empty: none.
  std::string RepackFolderPath() const;
};

// The flags that every command with a running model has, and those only a server needs.
void AddModelFlags(CLI::App& app, EngineFlags& flags);
void AddSchedulerFlags(CLI::App& app, EngineFlags& flags);

// A model in memory with all that is needed to talk to it.
struct RunningModel {
  std::shared_ptr<const GgufFile> file;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const Model> model;
  std::shared_ptr<const ChatTemplate> chat_template;  // null if the file has none
  std::string chat_template_error;                    // why, if it has one that cannot be read
  std::shared_ptr<Engine> engine;
  StartTimes times;
  std::string weights;  // where they came from, for people

  // Set when the file turns out not to be what its remembered digest says: nothing this process
  // answers can then be relied upon.
  std::shared_ptr<std::atomic<bool>> changed = std::make_shared<std::atomic<bool>>(false);
  std::unique_ptr<ContentCheck> check;  // reads the file in the background; null: it was just read
};

// Opens, checks, repacks (with a progress bar) or maps what was repacked, and warms up. Flags that
// cannot work are refused before the weights are read. `on_changed` is called on another thread, at
// most once, after `changed` was set.
Result<RunningModel> StartModel(const EngineFlags& flags, std::function<void()> on_changed = {});

// Says on stderr what was wrong but stopped nothing.
void ShowWarning(const RunningModel& running);

// What `changed` means, as an error of the model.
Error ChangedError(const std::string& path);

// Reports why StartModel failed: exit code 2 if a flag is to blame, 3 if the model is.
int FailToStart(const Error& error);

// "this model has no chat template ..." with advice, or why the one it has cannot be read; also for
// a model that was not loaded yet.
Status CheckCanChat(const GgufFile& file);

}  // namespace quire
