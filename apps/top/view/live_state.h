// apps/top/view/live_state.h -- one moment of a server as `quire top` shows it, from what it says.
//
// All text in it has gone through Printable: it may be shown. Numbers that are missing or of
// another type are 0: a newer or older server shows less, and nothing breaks.
//
// Threads  plain data, pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace quire {

struct TokenCounts {  // since the server began
  double ram = 0;
  double disk = 0;
  double remote = 0;
  double computed = 0;
  double generated = 0;

  double found() const { return ram + disk + remote; }
  double prompt() const { return found() + computed; }
};

struct TopTenant {
  std::string name;
  uint64_t live_bytes = 0;
  uint64_t idle_bytes = 0;
  uint64_t pinned_bytes = 0;
  uint64_t disk_bytes = 0;
  uint64_t guaranteed_bytes = 0;
  std::optional<uint64_t> limit_bytes = {};
  TokenCounts tokens = {};
};

struct TopRequest {
  uint64_t id = 0;
  std::string tenant;
  std::string route;
  std::string phase;
  double age_seconds = 0;
  uint64_t prompt_tokens = 0;
  uint64_t cached_tokens = 0;
  uint64_t computed_tokens = 0;  // of the prompt, found ones too
  uint64_t generated_tokens = 0;
  uint64_t max_tokens = 0;
  uint64_t blocks = 0;
  uint64_t preemptions = 0;
};

struct Total {
  double count = 0;
  double sum = 0;
};

// What only an admin is shown.
struct TopServer {
  uint64_t blocks = 0;
  uint64_t free_blocks = 0;
  uint64_t live_blocks = 0;
  uint64_t idle_blocks = 0;
  uint64_t pinned_blocks = 0;
  uint64_t running = 0;
  uint64_t waiting = 0;
  double preemptions = 0;
  double evicted_blocks = 0;
  double rejections = 0;
  uint64_t map_blocks = 1;  // that one piece of the map stands for
  std::vector<char> map;    // 'F'ree, 'L'ive, 'I'dle, 'P'inned, piece by piece
  TokenCounts tokens;
  Total step_seconds;
  Total step_tokens;
  Total first_token_seconds;
  Total inter_token_seconds;
  Total queue_seconds;
  uint64_t disk_bytes = 0;
  uint64_t disk_limit_bytes = 0;
  double disk_read_bytes = 0;
  double disk_write_bytes = 0;
};

struct LiveState {
  double time_seconds = 0;  // since 1970
  std::string tenant;       // who is asking
  bool admin = false;
  uint64_t block_tokens = 0;
  uint64_t block_bytes = 0;
  std::vector<TopTenant> tenants;
  std::vector<TopRequest> requests;
  uint64_t requests_left_out = 0;
  std::optional<TopServer> server;
};

// Of GET /v1/live?once=true.
Result<LiveState> ParseLive(const std::string& text);

// What changes seldom.
struct ServerFacts {
  std::string model;
  std::string version;
  std::string instruction_set;
  double ready_since = 0;  // seconds since 1970; 0: not known
};
// Of GET /v1/models and GET /version; what cannot be read stays empty.
ServerFacts ParseFacts(const std::string& models, const std::string& version);

// How many requests of late were told what, by verdict ("" : answered). Of GET
// /v1/ledger/summary?by=verdict; nothing if it cannot be read.
std::map<std::string, uint64_t> ParseVerdicts(const std::string& text);

}  // namespace quire
