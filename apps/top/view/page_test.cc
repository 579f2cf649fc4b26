// What is shown where, in terminals of any size.
#include "apps/top/view/page.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

#include "apps/top/view/arena_map.h"
#include "apps/top/view/request_table.h"
#include "apps/top/view/shown_text.h"

namespace quire {
namespace {

TopRequest RequestOf(uint64_t id, std::string tenant, std::string route, uint64_t blocks) {
  TopRequest request;
  request.id = id;
  request.tenant = std::move(tenant);
  request.route = std::move(route);
  request.phase = "decode";
  request.prompt_tokens = 100;
  request.cached_tokens = 64;
  request.computed_tokens = 90;
  request.blocks = blocks;
  return request;
}

LiveState Busy() {
  LiveState live;
  live.admin = true;
  live.block_bytes = 1024;
  live.tenants = {{.name = "acme", .live_bytes = 4096}, {.name = "東京"}};
  live.requests = {RequestOf(3, "acme", "support", 9), RequestOf(7, "東京", "search", 2),
                   RequestOf(11, "acme", "", 5)};
  live.server.emplace();
  live.server->blocks = 6;
  live.server->free_blocks = 2;
  live.server->map = {'L', 'L', 'I', 'P', 'F', 'F'};
  return live;
}

std::string TextOf(const Line& line) {
  std::string text;
  for (const Span& span : line) text += span.text;
  return text;
}

std::string TextOf(const std::vector<Line>& lines) {
  std::string text;
  for (const Line& line : lines) text += TextOf(line) + "\n";
  return text;
}

std::vector<uint64_t> IdsOf(const std::vector<TopRequest>& requests) {
  std::vector<uint64_t> ids;
  for (const TopRequest& request : requests) ids.push_back(request.id);
  return ids;
}

size_t ColumnOf(const std::string& title) {
  const auto found = std::ranges::find(RequestColumns(), title, &Column::title);
  return static_cast<size_t>(found - RequestColumns().begin());
}

TEST(Page, AnySizeIsKept) {
  EXPECT_TRUE(rc::check([] {
    LiveState live = Busy();
    const auto more = *rc::gen::inRange<uint64_t>(0, 60);
    for (uint64_t i = 0; i < more; ++i) live.requests.push_back(RequestOf(20 + i, "x", "y", i));
    PageInput input;
    input.live = &live;
    input.url = "http://127.0.0.1:8080";
    ViewState view;
    view.marked = *rc::gen::inRange<uint64_t>(0, 80);
    view.mode = *rc::gen::element(ViewState::Mode::kTable, ViewState::Mode::kFilter,
                                  ViewState::Mode::kAsk, ViewState::Mode::kHelp);
    const auto rows = *rc::gen::inRange<size_t>(0, 70);
    const auto columns = *rc::gen::inRange<size_t>(0, 200);
    const std::vector<Line> page = DrawPage(input, view, rows, columns);
    RC_ASSERT(page.size() == rows);
    for (const Line& line : page) RC_ASSERT(Columns(TextOf(line)) <= columns);
  }));
}

TEST(Page, TheMarkedRequestIsAlwaysSeen) {
  EXPECT_TRUE(rc::check([] {
    LiveState live = Busy();
    for (uint64_t i = 0; i < 60; ++i) live.requests.push_back(RequestOf(20 + i, "x", "y", i));
    PageInput input;
    input.live = &live;
    ViewState view;
    view.sort_column = *rc::gen::inRange<size_t>(0, RequestColumns().size());
    view.reversed = *rc::gen::arbitrary<bool>();
    view.marked = *rc::gen::inRange<uint64_t>(20, 80);
    const auto rows = *rc::gen::inRange<size_t>(5, 70);
    const std::string page = TextOf(DrawPage(input, view, rows, 120));
    RC_ASSERT(page.find("\n> ") != std::string::npos);
  }));
}

TEST(Page, ShowsAllThatThereIs) {
  const LiveState live = Busy();
  PageInput input;
  input.live = &live;
  input.facts.model = "tiny";
  input.link.answers = true;
  input.verdicts = {{"", 41}, {"overloaded", 2}};
  ViewState view;
  const std::string page = TextOf(DrawPage(input, view, 40, 140));
  for (const char* part : {"tiny", "ready", "LLIP..", "a letter is 1", "東京", "support",
                           "answered 41", "overloaded 2", "3 of 3 requests"}) {
    EXPECT_NE(page.find(part), std::string::npos) << part << "\n" << page;
  }
  for (const char* part : {"tiny", "LLIP..", "東京", "support", "answered 41"}) {
    EXPECT_NE(DrawText(input).find(part), std::string::npos) << part << "\n" << DrawText(input);
  }
  EXPECT_EQ(DrawText(input).find(" \n"), std::string::npos);
}

TEST(Page, SaysThatTheServerIsAway) {
  const LiveState live = Busy();
  PageInput input;
  input.live = &live;
  input.link = {.answers = false, .silent_seconds = 65, .trouble = "no answer"};
  ViewState view;
  const std::vector<Line> page = DrawPage(input, view, 40, 140);
  EXPECT_NE(TextOf(page[0]).find("AWAY for 1m05s: no answer"), std::string::npos)
      << TextOf(page[0]);
  EXPECT_NE(TextOf(page).find("support"), std::string::npos);  // what was known stays
}

TEST(Page, ATenantIsShownItsOwnAlone) {
  LiveState live = Busy();
  live.server.reset();
  live.tenant = "acme";
  PageInput input;
  input.live = &live;
  ViewState view;
  const std::string page = TextOf(DrawPage(input, view, 40, 140));
  EXPECT_EQ(page.find("ARENA"), std::string::npos);
  EXPECT_NE(page.find("tenant acme and sees nothing else"), std::string::npos) << page;
}

TEST(RequestTable, SortsByAnyColumnAndBackwards) {
  const LiveState live = Busy();
  ViewState view;
  EXPECT_EQ(IdsOf(ShownRequests(live.requests, view)), (std::vector<uint64_t>{3, 7, 11}));
  view.sort_column = ColumnOf("BLOCKS");
  EXPECT_EQ(IdsOf(ShownRequests(live.requests, view)), (std::vector<uint64_t>{7, 11, 3}));
  view.reversed = true;
  EXPECT_EQ(IdsOf(ShownRequests(live.requests, view)), (std::vector<uint64_t>{3, 11, 7}));
  view.sort_column = ColumnOf("TENANT");
  EXPECT_EQ(IdsOf(ShownRequests(live.requests, view)), (std::vector<uint64_t>{7, 11, 3}));
}

TEST(RequestTable, FiltersByTenantRouteAndNumber) {
  const LiveState live = Busy();
  const auto with = [&](std::string filter) {
    ViewState view;
    view.filter = std::move(filter);
    return IdsOf(ShownRequests(live.requests, view));
  };
  EXPECT_EQ(with("ACME"), (std::vector<uint64_t>{3, 11}));
  EXPECT_EQ(with("Search"), (std::vector<uint64_t>{7}));
  EXPECT_EQ(with("11"), (std::vector<uint64_t>{11}));
  EXPECT_EQ(with("京"), (std::vector<uint64_t>{7}));
  EXPECT_EQ(with("nothing"), (std::vector<uint64_t>{}));
}

TEST(RequestTable, CellsSayWhatWasFoundAndComputed) {
  const std::vector<std::string> cells = RequestCells(RequestOf(3, "acme", "", 9));
  EXPECT_EQ(cells[ColumnOf("FOUND")], "64");
  EXPECT_EQ(cells[ColumnOf("COMPUTED")], "26");
  EXPECT_EQ(cells[ColumnOf("ROUTE")], "-");
  EXPECT_EQ(cells[ColumnOf("WAIT")], "-");
  TopRequest waits = RequestOf(4, "acme", "", 0);
  waits.phase = "queued";
  waits.age_seconds = 3.25;
  EXPECT_EQ(RequestCells(waits)[ColumnOf("WAIT")], "3.2s");
}

TEST(ArenaMap, ACellStandsForManyBlocks) {
  TopServer server;
  server.map_blocks = 3;
  server.map.assign(100, 'F');
  server.map[5] = 'L';
  std::fill(server.map.begin() + 90, server.map.end(), 'I');
  const ArenaMap map = DrawArena(server, 10);
  EXPECT_EQ(map.cells, "L........I");  // one live piece among nine free ones is seen
  EXPECT_EQ(map.blocks_per_cell, 30u);
  EXPECT_EQ(DrawArena(server, 1000).cells.size(), 100u);
  EXPECT_EQ(DrawArena(server, 0).cells, "");
}

}  // namespace
}  // namespace quire
