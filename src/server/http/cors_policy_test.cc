// Which pages may read our answers, and that nothing of an address ends up elsewhere.
#include "server/http/cors_policy.h"

#include <gtest/gtest.h>

#include <string>

#include "server/http/http_message.h"

namespace quire {
namespace {

TEST(OriginOf, IsWhatBrowsersWrite) {
  EXPECT_EQ(OriginOf("http://10.0.0.2:8080"), "http://10.0.0.2:8080");
  EXPECT_EQ(OriginOf("HTTP://Quire.Example:080/v1?x#y"), "http://quire.example");
  EXPECT_EQ(OriginOf("https://quire.example:443"), "https://quire.example");
  EXPECT_EQ(OriginOf("https://quire.example:80"), "https://quire.example:80");
  EXPECT_EQ(OriginOf("http://host:"), "http://host");
  EXPECT_EQ(OriginOf("http://host?a:b@c"), "http://host");
  EXPECT_EQ(OriginOf("http://[0:0:0:0:0:0:0:1]:8081/"), "http://[::1]:8081");
  EXPECT_EQ(OriginOf("http://under_score-1:65535"), "http://under_score-1:65535");
}

TEST(OriginOf, RefusesWhatIsNone) {
  for (const char* none : {"",
                           "host",
                           "ftp://host",
                           "ws://host",
                           "http://",
                           "http:///path",
                           "http://:80",
                           "//host",
                           "http://user@host",
                           "http://user:word@host:80",
                           "http://host:0",
                           "http://host:65536",
                           "http://host:8o",
                           "http://host:80:90",
                           "http://host:-1",
                           "http://host: 80",
                           "http://a b",
                           "http://a;b",
                           "http://a,b",
                           "http://'self'",
                           "http://*",
                           "http://*.example",
                           "http://a\"",
                           "http://a\r\nX: y",
                           "http://a\n",
                           "http://a\\b",
                           "http://%41",
                           "http://\xc3\xa4",
                           "http://[",
                           "http://[]",
                           "http://[::1",
                           "http://[::1%lo]",
                           "http://[::1]x",
                           "http://[::1;]:80",
                           "http://a[::1]",
                           "null"}) {
    EXPECT_EQ(OriginOf(none), std::nullopt) << none;
  }
  EXPECT_EQ(OriginOf("http://" + std::string(254, 'a')), std::nullopt);
  EXPECT_EQ(OriginOf(std::string_view("http://a\0b", 10)), std::nullopt);
}

TEST(CorsPolicy, EchoesAPeerAndElseSaysWhatIsConfigured) {
  const CorsPolicy cors("https://app.example",
                        {"http://10.0.0.2:8080/x", "http://*", "no address"});
  EXPECT_EQ(cors.AnswerTo("http://10.0.0.2:8080"), "http://10.0.0.2:8080");
  for (const char* other : {"", "null", "http://10.0.0.2", "http://10.0.0.2:80801", "*", "http://*",
                            "https://10.0.0.2:8080", "http://evil.example"}) {
    EXPECT_EQ(cors.AnswerTo(other), "https://app.example") << other;
  }
  EXPECT_TRUE(cors.varies());
  EXPECT_EQ(cors.ConnectSources(), " http://10.0.0.2:8080");
}

TEST(CorsPolicy, WithoutPeersAllIsAsConfigured) {
  const CorsPolicy none;
  EXPECT_EQ(none.AnswerTo("http://10.0.0.2:8080"), "");
  EXPECT_EQ(none.AnswerTo(""), "");
  EXPECT_FALSE(none.varies());
  EXPECT_EQ(none.ConnectSources(), "");
}

TEST(CorsPolicy, CachesAreToldThatItDepends) {
  const auto head = [](std::string_view origin, bool varies) {
    HeadOptions options;
    options.cors_origin = origin;
    options.cors_varies = varies;
    return FormatHead(HttpResponse{}, options);
  };
  EXPECT_EQ(head("", false).find("Vary"), std::string::npos);
  EXPECT_NE(head("", true).find("Vary: Origin\r\n"), std::string::npos);
  EXPECT_EQ(head("", true).find("Access-Control-Allow-Origin"), std::string::npos);
  const std::string told = head("http://b", true);
  EXPECT_NE(told.find("Access-Control-Allow-Origin: http://b\r\nVary: Origin\r\n"),
            std::string::npos);
}

}  // namespace
}  // namespace quire
