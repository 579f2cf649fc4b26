#include "session/session_file.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <random>

namespace quire {
namespace {

const std::string kKey(32, 'k');

SessionStore::Content Sample() {
  SessionStore::Content content;
  content.session.id = "chat.1";
  content.session.epoch = 3;
  content.session.ttl_seconds = 60;
  content.session.tokens = 4;
  SessionState& state = content.session.state;
  state.model = "m";
  state.vocabulary = "v";
  state.seed = ~uint64_t{0};
  state.answer_tokens = 2;
  state.opening = {9, 8};
  state.message_ends = {1, 4};
  state.settings = "{}";
  state.stream = {1, 128, 6, "In short:"};
  state.kept = {{1, 2}, {3, 4}};
  state.summary = {2, 3};
  state.next_summary = {77, 78};
  state.summarised = true;
  content.tokens = {5, 6, 7, 1 << 20};
  return content;
}

TEST(SessionFile, ReadsWhatItWrote) {
  const auto content = Sample();
  const std::string file = WriteSessionFile(content, kKey);
  const auto read = ReadSessionFile(file, kKey);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(read->is_signed);
  EXPECT_EQ(read->content.tokens, content.tokens);
  EXPECT_EQ(read->content.session.id, "chat.1");
  EXPECT_EQ(read->content.session.epoch, 3u);
  EXPECT_EQ(read->content.session.ttl_seconds, 60u);
  EXPECT_EQ(read->content.session.state, content.session.state);
  const auto foreign = ReadSessionFile(file, std::string(32, 'x'));
  ASSERT_TRUE(foreign);
  EXPECT_FALSE(foreign->is_signed);
}

TEST(SessionFile, EveryFlippedBitAndEveryCutIsSeen) {
  const std::string file = WriteSessionFile(Sample(), kKey);
  const size_t signature = file.size() - kSignatureBytes;
  for (size_t i = 0; i < file.size(); ++i) {
    std::string harmed = file;
    harmed[i] = static_cast<char>(harmed[i] ^ (1 << (i % 8)));
    const auto read = ReadSessionFile(harmed, kKey);
    if (i < signature) {
      EXPECT_FALSE(read) << i;
    } else {
      EXPECT_TRUE(read && !read->is_signed) << i;
    }
    EXPECT_FALSE(ReadSessionFile(std::string_view(file).substr(0, i), kKey)) << i;
  }
  EXPECT_FALSE(ReadSessionFile(file + "x", kKey));
}

// KV behind it is whatever it is; damage there costs the session nothing.
TEST(SessionFile, TellsWhereKvBegins) {
  const auto content = Sample();
  const std::string front = WriteSessionFile(content, kKey, true);
  for (const std::string& kv : {std::string(), std::string("anything"), std::string(5000, 'x')}) {
    const auto read = ReadSessionFile(front + kv, kKey);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_TRUE(read->is_signed);
    EXPECT_EQ(read->kv_at, front.size());
    EXPECT_EQ(read->content.tokens, content.tokens);
  }
  for (size_t i = 0; i + kSignatureBytes < front.size(); ++i) {
    std::string harmed = front + "anything";
    harmed[i] = static_cast<char>(harmed[i] ^ (1 << (i % 8)));
    EXPECT_FALSE(ReadSessionFile(harmed, kKey)) << i;
    EXPECT_FALSE(ReadSessionFile(std::string_view(front).substr(0, i), kKey)) << i;
  }
  const std::string plain = WriteSessionFile(content, kKey);
  EXPECT_EQ(ReadSessionFile(plain, kKey)->kv_at, plain.size());
}

// One who can compute a checksum is not believed either.
TEST(SessionFile, PartsThatContradictEachOtherAreRefused) {
  const auto refused = [](auto change) {
    auto content = Sample();
    change(content);
    return !ReadSessionFile(WriteSessionFile(content, kKey), kKey);
  };
  EXPECT_TRUE(refused([](auto& c) { c.session.id = "../etc"; }));
  EXPECT_TRUE(refused([](auto& c) { c.session.id = ""; }));
  EXPECT_TRUE(refused([](auto& c) { c.tokens[2] = -5; }));
  EXPECT_TRUE(refused([](auto& c) { c.session.state.answer_tokens = 5; }));
  EXPECT_TRUE(refused([](auto& c) { c.session.state.message_ends = {5}; }));
  EXPECT_TRUE(refused([](auto& c) { c.session.state.message_ends = {3, 1}; }));
  EXPECT_TRUE(refused([](auto& c) { c.session.state.opening = {-1}; }));
  EXPECT_TRUE(refused([](auto& c) { c.session.state.stream = {100, 128, 0, ""}; }));
  EXPECT_TRUE(refused([](auto& c) { c.session.state.kept = {{3, 5}}; }));
  EXPECT_TRUE(refused([](auto& c) { c.session.state.kept = {{2, 2}}; }));
  EXPECT_TRUE(refused([](auto& c) { c.session.state.kept = {{1, 3}, {2, 4}}; }));
  EXPECT_TRUE(refused([](auto& c) { c.session.state.summary = {3, 2}; }));
  EXPECT_TRUE(refused([](auto& c) { c.session.state.summary = {0, 1}; })) << "in the sink";
  EXPECT_TRUE(refused([](auto& c) { c.session.state.summary = {2, 4}; })) << "in what is kept";
  EXPECT_TRUE(refused([](auto& c) { c.session.state.summary = {3, 5}; }));
  EXPECT_TRUE(refused([](auto& c) { c.session.state.next_summary = {-1}; }));
  EXPECT_TRUE(refused([](auto& c) { c.session.state.summarised = false; }));
}

// A state of version 1 ends after the number of rebases.
TEST(SessionState, OfBeforeSummariesIsUnderstood) {
  SessionState state = Sample().session.state;
  state.stream = {4, 128, 0, ""};
  state.kept.clear();
  state.summary = {};
  state.next_summary.clear();
  state.summarised = false;
  // Four counts, a text and two lists, all empty.
  const size_t added = 4 + 4 + 4 + 4 + 4 + 4 + 4;
  std::string bytes = EncodeState(state);
  bytes.resize(bytes.size() - added);
  EXPECT_FALSE(DecodeState(bytes));
  bytes[0] = 1;
  const auto read = DecodeState(bytes);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, state);
}

// One of version 2 ends before it says whether the model was asked; what it wrote tells.
TEST(SessionState, OfBeforeEmptySummariesIsUnderstood) {
  for (const bool wrote : {true, false}) {
    SessionState state = Sample().session.state;
    if (!wrote) state.next_summary.clear();
    state.summarised = wrote;
    std::string bytes = EncodeState(state);
    bytes.resize(bytes.size() - 4);
    EXPECT_FALSE(DecodeState(bytes));
    bytes[0] = 2;
    const auto read = DecodeState(bytes);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, state);
  }
}

}  // namespace
}  // namespace quire
