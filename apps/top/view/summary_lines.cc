#include "apps/top/view/summary_lines.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/top/view/amounts.h"
#include "apps/top/view/arena_map.h"

namespace quire {
namespace {

Line Labelled(const char* label, std::string text) {
  return {{fmt::format("{:<9}", label), Style::kHead}, {std::move(text)}};
}

Line WorkLine(const PageInput& input, const TopServer& server) {
  const std::optional<double> tokens = input.rates.step_tokens;
  return Labelled("work",
                  fmt::format("{} running, {} waiting; {} tokens a step, read {}, generated {}",
                              server.running, server.waiting, tokens ? CountText(*tokens) : "-",
                              RateText(input.rates.prompt_per_second),
                              RateText(input.rates.generated_per_second)));
}

Line HitLine(const PageInput& input, const TopServer& server) {
  const Rates all = RatesSinceStart(*input.live);
  return Labelled("hits",
                  fmt::format("{} of late, {} since the start ({} of {} tokens)",
                              ShareText(input.rates.found_share), ShareText(all.found_share),
                              CountText(server.tokens.found()), CountText(server.tokens.prompt())));
}

Line TimesLine(const PageInput& input) {
  const Rates all = RatesSinceStart(*input.live);
  const auto pair = [](std::optional<double> late, std::optional<double> mean) {
    return fmt::format("{} ({})", TimeText(late), TimeText(mean));
  };
  return Labelled(
      "times",
      fmt::format("step {}, queue {}, first token {}, between tokens {}; of late (since the start)",
                  pair(input.rates.step_seconds, all.step_seconds),
                  pair(input.rates.queue_seconds, all.queue_seconds),
                  pair(input.rates.first_token_seconds, all.first_token_seconds),
                  pair(input.rates.inter_token_seconds, all.inter_token_seconds)));
}

std::string RateOfBytes(std::optional<double> per_second) {
  return per_second ? BytesText(static_cast<uint64_t>(*per_second)) + "/s" : "-";
}

Line TierLine(const PageInput& input, const TopServer& server) {
  const uint64_t held = server.blocks - std::min(server.blocks, server.free_blocks);
  const uint64_t block_bytes = input.live->block_bytes;
  std::string text = fmt::format("RAM {} of {}", BytesText(held * block_bytes),
                                 BytesText(server.blocks * block_bytes));
  if (server.disk_limit_bytes > 0) {
    text += fmt::format("; disk {} of {}, reads {}, writes {}", BytesText(server.disk_bytes),
                        BytesText(server.disk_limit_bytes),
                        RateOfBytes(input.rates.read_bytes_per_second),
                        RateOfBytes(input.rates.write_bytes_per_second));
  } else {
    text += "; no disk";
  }
  return Labelled("tiers", std::move(text));
}

std::string VerdictsText(const std::map<std::string, uint64_t>& verdicts) {
  std::string text;
  for (const auto& [verdict, count] : verdicts) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", verdict.empty() ? "answered" : verdict,
                        count);
  }
  return text.empty() ? "none" : text;
}

Line VerdictLine(const PageInput& input) {
  std::string text = "in 10 minutes: " + VerdictsText(input.verdicts);
  if (input.live->server) {
    const TopServer& server = *input.live->server;
    text += fmt::format("; since the start: {} refused, {} preempted, {} blocks evicted",
                        CountText(server.rejections), CountText(server.preemptions),
                        CountText(server.evicted_blocks));
  }
  return Labelled("verdicts", std::move(text));
}

Line TenantLine(const LiveState& live) {
  TokenCounts tokens;
  for (const TopTenant& tenant : live.tenants) {
    if (tenant.name == live.tenant) tokens = tenant.tokens;
  }
  return Labelled("hits", fmt::format("{} since the start ({} of {} tokens); this key is of tenant "
                                      "{} and sees nothing else",
                                      ShareText(FoundShare(tokens)), CountText(tokens.found()),
                                      CountText(tokens.prompt()), live.tenant));
}

Style StyleOf(char cell) {
  switch (cell) {
    case 'L':
      return Style::kLive;
    case 'I':
      return Style::kIdle;
    case 'P':
      return Style::kPinned;
    default:
      return Style::kDim;
  }
}

Line CellsLine(std::string_view cells) {
  Line line;
  for (const char cell : cells) {
    if (line.empty() || line.back().text[0] != cell) line.push_back({"", StyleOf(cell)});
    line.back().text += cell;
  }
  return line;
}

}  // namespace

Line TitleLine(const PageInput& input, const ViewState& view) {
  Line line = {{"quire top", Style::kTitle}, {"  " + input.url}};
  if (view.paused) line.push_back({"  PAUSED", Style::kWarning});
  if (input.link.answers) {
    line.push_back({"  ready"});
  } else if (input.live == nullptr && input.link.trouble.empty()) {
    line.push_back({"  asking ..."});
  } else {
    line.push_back({fmt::format("  AWAY for {}: {}", SecondsText(input.link.silent_seconds),
                                input.link.trouble),
                    Style::kWarning});
  }
  if (!input.facts.model.empty()) line.push_back({"  " + input.facts.model});
  if (!input.facts.version.empty()) {
    line.push_back(
        {fmt::format("  {} {}", input.facts.version, input.facts.instruction_set), Style::kDim});
  }
  if (input.link.answers && input.facts.ready_since > 0) {
    line.push_back({"  up " + SecondsText(input.now_seconds - input.facts.ready_since)});
  }
  return line;
}

std::vector<Line> SummaryLines(const PageInput& input) {
  const LiveState& live = *input.live;
  if (!live.server) return {TenantLine(live), VerdictLine(input)};
  return {WorkLine(input, *live.server), HitLine(input, *live.server), TimesLine(input),
          TierLine(input, *live.server), VerdictLine(input)};
}

std::vector<Line> ArenaLines(const LiveState& live, size_t rows, size_t columns) {
  if (!live.server || rows < 2 || columns == 0) return {};
  const TopServer& server = *live.server;
  const ArenaMap map = DrawArena(server, (rows - 1) * columns);
  if (map.cells.empty()) return {};
  std::vector<Line> lines = {{{"ARENA", Style::kHead},
                              {fmt::format("  {} blocks of {}, a letter is {}: ", server.blocks,
                                           BytesText(live.block_bytes), map.blocks_per_cell)},
                              {fmt::format("L live {}", server.live_blocks), Style::kLive},
                              {"  "},
                              {fmt::format("I idle {}", server.idle_blocks), Style::kIdle},
                              {"  "},
                              {fmt::format("P pinned {}", server.pinned_blocks), Style::kPinned},
                              {"  "},
                              {fmt::format(". free {}", server.free_blocks), Style::kDim}}};
  for (size_t at = 0; at < map.cells.size(); at += columns) {
    lines.push_back(CellsLine(std::string_view(map.cells).substr(at, columns)));
  }
  return lines;
}

std::vector<Line> HelpLines() {
  std::vector<Line> lines = {{{"Keys", Style::kHead}}};
  for (const char* text :
       {"up down j k PgUp PgDn Home End   move the mark",
        "s   sort by the next column      r   reverse the order",
        "/   show only requests with a text in tenant, route or number; Enter, or Esc",
        "Esc   show all again",
        "c   cancel the marked request    space   hold the picture, and go on",
        "?   this help                    q   leave", "",
        "found, computed: tokens of the prompt that were in memory, and that were not.",
        "live: in use.  idle: kept for whoever asks again.  pinned: kept until a pin ends.", "",
        "Any key goes back."}) {
    lines.push_back({{text}});
  }
  return lines;
}

}  // namespace quire
