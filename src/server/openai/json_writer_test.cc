#include "server/openai/json_writer.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "server/openai/error_body.h"
#include "server/openai/receipt.h"

namespace quire {
namespace {

TEST(JsonWriter, WritesNestedValues) {
  JsonWriter json;
  json.BeginObject().Field("a", 1).Key("b").BeginArray().Number(0.5).Null().String("x\"\n");
  json.BeginObject().EndObject().EndArray().Field("c", true).EndObject();
  EXPECT_EQ(json.text(), R"({"a":1,"b":[0.5,null,"x\"\n",{}],"c":true})");
}

TEST(JsonWriter, NeverWritesWhatIsNotJson) {
  JsonWriter json;
  json.BeginArray().Number(std::numeric_limits<double>::quiet_NaN());
  json.Number(-std::numeric_limits<float>::infinity()).String(std::string("\x01\xff\xe2\x82", 4));
  json.EndArray();
  const auto parsed = nlohmann::json::parse(json.text());
  EXPECT_TRUE(parsed[0].is_null() && parsed[1].is_null());
  EXPECT_EQ(parsed[2], "\x01\uFFFD\uFFFD");
}

TEST(JsonWriter, NumbersReadBackEqual) {
  for (const float value : {0.1f, -1e-20f, 123456.789f}) {
    JsonWriter json;
    json.Number(value);
    EXPECT_EQ(nlohmann::json::parse(json.text()).get<float>(), value);
  }
}

TEST(ErrorBody, HasOpenAisEnvelope) {
  const ApiError api = ToApiError({ErrorCode::kNotFound, "no \"x\"", "model"});
  EXPECT_EQ(api.status, 404);
  EXPECT_EQ(ErrorBody(api),
            R"({"error":{"message":"no \"x\"","type":"invalid_request_error","param":"model",)"
            R"("code":"model_not_found"}})");
  EXPECT_EQ(ToApiError({ErrorCode::kOverloaded, "", ""}).status, 429);
  EXPECT_EQ(ToApiError({ErrorCode::kNeverFits, "", ""}).status, 413);
  EXPECT_EQ(ToApiError({ErrorCode::kContextLength, "", ""}).code, "context_length_exceeded");
  EXPECT_EQ(ToApiError({ErrorCode::kUnavailable, "", ""}).status, 503);
}

TEST(Receipt, AddsUpPrompts) {
  Receipt a;
  a.prompt_tokens = 10;
  a.cached_tokens = 8;
  a.generated_tokens = 3;
  a.ttft_ms = 5;
  Receipt b = a;
  b.ttft_ms = 9;
  const Receipt all = Combine({a, b});
  EXPECT_EQ(all.prompt_tokens, 20u);
  EXPECT_EQ(all.ttft_ms, 9);
  JsonWriter json;
  WriteUsage(all, json);
  const auto usage = nlohmann::json::parse(json.text());
  EXPECT_EQ(usage["total_tokens"], 26);
  EXPECT_EQ(usage["prompt_tokens_details"]["cached_tokens"], 16);
}

}  // namespace
}  // namespace quire
