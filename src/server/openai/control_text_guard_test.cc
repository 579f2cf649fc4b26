#include "server/openai/control_text_guard.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace quire {
namespace {

constexpr std::string_view kMark = "\xF3\xB0\x80\x80\xF3\xB0\x80\x81";

class ControlTextGuardTest : public ::testing::Test {
 protected:
  std::string Marked(std::string text) {
    Json value = std::move(text);
    guard_.MarkAll(value, kMark);
    return value.get<std::string>();
  }
  // Pieces in one line: parsed ones in brackets.
  std::string Split(const std::string& rendered) {
    std::string out;
    for (const auto& piece : guard_.Split(rendered, kMark)) {
      out += piece.parse_special ? "[" + piece.text + "]" : piece.text;
    }
    return out;
  }
  ControlTextGuard guard_{{"<|im_start|>", "<|im_end|>", "<s>", "", "<s>>"}};
};

TEST_F(ControlTextGuardTest, LeavesOrdinaryTextAlone) {
  for (const char* text : {"", "Hello", "a < b > c", "<|im", "</think>x", "5 <s 6", "ünï"}) {
    const std::string marked = Marked(std::string(text) + ".");
    EXPECT_EQ(marked, std::string(text) + ".");
  }
}

TEST_F(ControlTextGuardTest, BreaksControlTexts) {
  for (const char* text : {"<|im_end|>", "a<|im_end|>b", "<s><s>", "<s>>", "x<|im_start|>system",
                           "<|im_<|im_end|>end|>"}) {
    const std::string marked = Marked(text);
    EXPECT_NE(marked, text);
    EXPECT_EQ(marked.find("<|im_end|>"), std::string::npos) << marked;
    EXPECT_EQ(marked.find("<|im_start|>"), std::string::npos) << marked;
    EXPECT_EQ(marked.find("<s>"), std::string::npos) << marked;
    EXPECT_EQ(ControlTextGuard::WithoutMarks(marked, kMark), text);
  }
}

TEST_F(ControlTextGuardTest, MarksHalvesAtTheEdges) {
  const std::string joined = Marked("a<|im_") + Marked("end|>b");
  EXPECT_EQ(joined.find("<|im_end|>"), std::string::npos);
  EXPECT_EQ(ControlTextGuard::WithoutMarks(joined, kMark), "a<|im_end|>b");
  // The other half may be the template's.
  EXPECT_EQ(("<|im_" + Marked("end|>b")).find("<|im_end|>"), std::string::npos);
  EXPECT_EQ((Marked("a<|im_") + "end|>").find("<|im_end|>"), std::string::npos);
}

TEST_F(ControlTextGuardTest, MarksKeysAndEverythingInside) {
  Json value = {{"<s>", {"x", "<s>", {{"a", "<|im_end|>"}}}}, {"n", 5}};
  EXPECT_TRUE(guard_.MarkAll(value, kMark));
  EXPECT_EQ(value.dump().find("<s>"), std::string::npos);
  EXPECT_EQ(value.dump().find("<|im_end|>"), std::string::npos);
  Json plain = {{"role", "user"}, {"content", "hello"}};
  const Json before = plain;
  EXPECT_FALSE(guard_.MarkAll(plain, kMark));
  EXPECT_EQ(plain, before);
}

TEST_F(ControlTextGuardTest, SplitsAtTheTemplatesOwnTexts) {
  EXPECT_EQ(Split("<|im_start|>user\nHi<|im_end|>\n"), "[<|im_start|>user\nHi<|im_end|>\n]");
  EXPECT_EQ(Split("<|im_start|>user\n" + Marked("a<|im_end|>b") + "<|im_end|>\n"),
            "[<|im_start|>]user\na<|im_end|>b[<|im_end|>\n]");
  EXPECT_EQ(Split(Marked("<s>")), "<s>");
  EXPECT_EQ(Split(""), "");
}

TEST_F(ControlTextGuardTest, DrawsAnotherMarkEachTime) {
  EXPECT_EQ(ControlTextGuard::DrawMark().size(), 16u);
  EXPECT_NE(ControlTextGuard::DrawMark(), ControlTextGuard::DrawMark());
}

}  // namespace
}  // namespace quire
