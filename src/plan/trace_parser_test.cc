#include "plan/trace_parser.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace quire {
namespace {

Result<Trace> Parse(const std::string& text, TraceOptions options = {}) {
  std::istringstream in(text);
  return ParseTrace(in, options);
}

std::vector<uint32_t> BlocksOf(const TraceRequest& request) {
  std::vector<uint32_t> blocks;
  ForEachBlock(request, [&](uint32_t block) { blocks.push_back(block); });
  return blocks;
}

constexpr const char* kMooncake =
    R"({"timestamp": 5, "input_length": 1000, "output_length": 3, "hash_ids": [70, 9]})"
    "\n"
    R"({"timestamp": 2, "input_length": 1025, "output_length": 0, "hash_ids": [70, 71, 9]})"
    "\n";

TEST(TraceParser, ReadsMooncake) {
  const auto trace = Parse(kMooncake);
  ASSERT_TRUE(trace) << trace.error().message;
  EXPECT_EQ(trace->format, "mooncake");
  EXPECT_EQ(trace->block_tokens, 512u);
  EXPECT_EQ(trace->num_blocks, 3u);
  ASSERT_EQ(trace->requests.size(), 2u);
  EXPECT_EQ(trace->requests[0].arrival, 2u) << "by arrival";
  EXPECT_EQ(trace->requests[1].prompt_tokens, 1000u);
  EXPECT_EQ(BlocksOf(trace->requests[1]), (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(BlocksOf(trace->requests[0]), (std::vector<uint32_t>{0, 2, 1}));
}

TEST(TraceParser, ReadsAzure) {
  const auto trace = Parse(
      "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
      "2023-11-16 23:59:59.9,33,5\r\n"
      "2023-11-17 00:00:00,16,0\r\n");
  ASSERT_TRUE(trace) << trace.error().message;
  EXPECT_FALSE(trace->has_reuse);
  ASSERT_EQ(trace->requests.size(), 2u);
  EXPECT_EQ(trace->requests[1].arrival, 100u);
  EXPECT_EQ(trace->requests[0].num_blocks(), 3u);
  EXPECT_EQ(trace->num_blocks, 4u);
}

constexpr const char* kAgents =
    R"({"id":"a","block_size":64,"requests":[[10,"n",100,1,0,0,"x",0,[[1,3],9]],)"
    R"({"t":12,"sub":[[0.5,"n",100,1,0,0,"x",0,[1]]]},[14,"n",100,1,0,0,"x",2,[[4,4]]]]})"
    "\n"
    R"({"id":"b","block_size":64,"requests":[[3,"n",100,1,0,0,"x",0,[0]]]})"
    "\n";

TEST(TraceParser, ReadsSessionsOfAgents) {
  const auto trace = Parse(kAgents, {.sessions_at_once = 1});
  ASSERT_TRUE(trace) << trace.error().message;
  EXPECT_EQ(trace->format, "agentic");
  ASSERT_EQ(trace->requests.size(), 4u);
  EXPECT_EQ(BlocksOf(trace->requests[0]), (std::vector<uint32_t>{1, 2, 3, 9}));
  EXPECT_EQ(trace->requests[1].arrival, 2500u) << "a sub-agent's times count from its own start";
  EXPECT_EQ(BlocksOf(trace->requests[1]), (std::vector<uint32_t>{1}));
  EXPECT_EQ(BlocksOf(trace->requests[2]), (std::vector<uint32_t>{1, 2, 4}));
  EXPECT_EQ(trace->requests[3].arrival, 4000u) << "the second session starts when the first ends";
  EXPECT_EQ(BlocksOf(trace->requests[3]), (std::vector<uint32_t>{10}))
      << "ids of two sessions are not the same blocks";
  const auto both = Parse(kAgents, {.sessions_at_once = 2});
  EXPECT_EQ(both->requests[1].arrival, 0u);
  EXPECT_NE(both->requests[0].tenant, both->requests[1].tenant);
}

TEST(TraceParser, StopsAfterTheRequestsAskedFor) {
  const auto trace = Parse(kMooncake, {.most_requests = 1});
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->requests.size(), 1u);
}

struct BadInput {
  std::string text;
  std::string words;
};

std::string Mooncake(const std::string& fields) { return "{\"hash_ids\": [1], " + fields + "}\n"; }

std::string Agent(const std::string& list) {
  return "{\"id\":\"a\",\"block_size\":64,\"requests\":[" + list + "]}\n";
}

std::string Good() {
  return Mooncake("\"timestamp\": 1, \"input_length\": 2, \"output_length\": 3");
}

class BadTrace : public testing::TestWithParam<BadInput> {};

TEST_P(BadTrace, IsRefusedWithTheLineAndWhatIsWrong) {
  const auto trace = Parse(GetParam().text);
  ASSERT_FALSE(trace);
  EXPECT_NE(trace.error().message.find(GetParam().words), std::string::npos)
      << trace.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Lines, BadTrace,
    testing::Values(
        BadInput{"", "no requests"}, BadInput{"hello\n", "line 1 is of no format"},
        BadInput{"TIMESTAMP,ContextTokens,GeneratedTokens\n", "no requests"},
        BadInput{Good() + "{\"hash_ids\"", "line 2: not a JSON object"},
        BadInput{Good() + "\n" + Good() + "[1]", "line 4: not a JSON object"},
        BadInput{Mooncake("\"timestamp\": -1, \"input_length\": 2, \"output_length\": 3"),
                 "line 1: timestamp"},
        BadInput{Mooncake("\"timestamp\": 1, \"input_length\": 1e99, \"output_length\": 3"),
                 "input_length"},
        BadInput{Mooncake("\"timestamp\": 1, \"input_length\": 0, \"output_length\": 3"),
                 "input_length is 0"},
        BadInput{Mooncake("\"timestamp\": 1, \"input_length\": 513, \"output_length\": 3"),
                 "1 hash_ids for 513 tokens"},
        BadInput{Mooncake("\"timestamp\": 1, \"input_length\": 5, \"output_length\": \"x\""),
                 "output_length"},
        BadInput{"{\"timestamp\": 1, \"input_length\": 5, \"output_length\": 1, \"hash_ids\": "
                 "[\"a\"]}",
                 "not a whole number"},
        BadInput{"TIMESTAMP,A,B\n2023-11-16 18:15:46,1\n", "line 2: not three fields"},
        BadInput{"TIMESTAMP,A,B\n2023-13-16 18:15:46,1,1\n", "is not a time"},
        BadInput{"TIMESTAMP,A,B\n2023-11-16 18:15:46.x,1,1\n", "is not a time"},
        BadInput{"TIMESTAMP,A,B\n2023-11-16 18:15:46,-1,1\n", "context tokens"},
        BadInput{"TIMESTAMP,A,B\n2023-11-16 18:15:46,1,1e3\n", "generated tokens"},
        BadInput{"TIMESTAMP,A,B\n2023-11-16 18:15:46,1,1\n2023-11-16 18:15:45,1,1\n",
                 "line 3: a time before"},
        BadInput{Agent("7"), "not a list of 9"},
        BadInput{Agent("[0,\"n\",10,1,0,0,\"x\",1,[]]"), "`keep` is 1"},
        BadInput{Agent("[0,\"n\",10,1,0,0,\"x\",-1,[]]"), "`keep` or `suffix`"},
        BadInput{Agent("[0,\"n\",10,1,0,0,\"x\",0,[[5,4]]]"), "5 to 4"},
        BadInput{Agent("[0,\"n\",10,1,0,0,\"x\",0,[[0,4000000000000]]]"), "too far up"},
        BadInput{Agent("[0,\"n\",10,1,0,0,\"x\",0,[-3]]"), "neither an id nor a range"},
        BadInput{Agent("{\"t\":1}"), "without a list `sub`"},
        BadInput{Agent("{\"t\":1,\"sub\":[{\"t\":1,\"sub\":[]}]}"), "within a sub-agent"},
        BadInput{"{\"requests\":[],\"block_size\":0}", "block_size"}));

TEST(TraceParser, ReadsExcerptsOfThePublishedTraces) {
  const std::string folder = QUIRE_SOURCE_DIR "/tests/golden/traces/";
  for (const std::string name : {"mooncake_200.jsonl", "azure_200.csv", "agentic_8.ndjson"}) {
    std::ifstream in(folder + name);
    const auto trace = ParseTrace(in, {});
    ASSERT_TRUE(trace) << name << ": " << trace.error().message;
    EXPECT_GT(trace->requests.size(), 50u) << name;
    for (const TraceRequest& request : trace->requests) {
      ForEachBlock(request, [&](uint32_t block) { ASSERT_LT(block, trace->num_blocks); });
    }
  }
}

}  // namespace
}  // namespace quire
