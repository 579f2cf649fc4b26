#include "engine/request_check.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

constexpr RequestLimits kLimits{
    .vocab_size = 100, .context_tokens = 64, .kv_tokens = 48, .max_choices = 4};

GenerationRequest Ask(uint32_t prompt_tokens, uint32_t max_tokens) {
  GenerationRequest request;
  request.prompt.assign(prompt_tokens, 1);
  request.max_tokens = max_tokens;
  return request;
}

ErrorCode Refusal(GenerationRequest request) {
  const Status status = CheckRequest(kLimits, request);
  EXPECT_FALSE(status);
  return status ? ErrorCode::kInternal : status.error().code;
}

TEST(RequestCheck, RefusesWhatIsWrong) {
  EXPECT_EQ(Refusal(Ask(0, 1)), ErrorCode::kInvalidArgument);
  GenerationRequest request = Ask(3, 1);
  request.prompt[1] = 100;
  EXPECT_EQ(Refusal(request), ErrorCode::kInvalidArgument);
  request.prompt[1] = -1;
  EXPECT_EQ(Refusal(request), ErrorCode::kInvalidArgument);
  request = Ask(3, 1);
  request.choices = 5;
  EXPECT_EQ(Refusal(request), ErrorCode::kInvalidArgument);
  request.choices = 0;
  EXPECT_EQ(Refusal(request), ErrorCode::kInvalidArgument);
}

TEST(RequestCheck, ContextBoundsPromptAndAnswerTogether) {
  GenerationRequest fits = Ask(20, 29);
  EXPECT_TRUE(CheckRequest(kLimits, fits));
  EXPECT_EQ(Refusal(Ask(30, 35)), ErrorCode::kContextLength);
  GenerationRequest whole = Ask(48, 0);
  EXPECT_TRUE(CheckRequest(kLimits, whole));
}

TEST(RequestCheck, NeverFitsShowsTheArithmetic) {
  GenerationRequest fits = Ask(40, 9);  // 48 tokens with KV: the last one needs none
  EXPECT_TRUE(CheckRequest(kLimits, fits));
  GenerationRequest request = Ask(40, 10);
  const Status status = CheckRequest(kLimits, request);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kNeverFits);
  EXPECT_NE(status.error().message.find("49"), std::string::npos) << status.error().message;
  EXPECT_NE(status.error().message.find("48"), std::string::npos) << status.error().message;
}

TEST(RequestCheck, CutsWhatIsOnlyABound) {
  GenerationRequest request = Ask(20, 1'000'000);
  request.cut_max_tokens = true;
  ASSERT_TRUE(CheckRequest(kLimits, request));
  EXPECT_EQ(request.max_tokens, 29u);
  request = Ask(49, 1'000'000);
  request.cut_max_tokens = true;
  EXPECT_EQ(Refusal(request), ErrorCode::kNeverFits);
  request = Ask(64, 1'000'000);
  request.cut_max_tokens = true;
  EXPECT_EQ(Refusal(request), ErrorCode::kContextLength);
}

}  // namespace
}  // namespace quire
