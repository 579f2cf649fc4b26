// What the dashboard's paths answer: files, and as much of the state as the caller may see.
#include <gtest/gtest.h>
#include <zlib.h>

#include <nlohmann/json.hpp>

#include "server/dashboard/dashboard_files.h"
#include "server/dashboard/live_json.h"
#include "server/request_number.h"

namespace quire {
namespace {

using Json = nlohmann::json;

std::string Unzip(std::string_view packed) {
  std::string out(size_t{1} << 20, '\0');
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

std::string HeaderOf(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return {};
}

TEST(DashboardFiles, AreServedWithTypeAndPolicyPackedOrNot) {
  const CorsPolicy alone;
  size_t packed_bytes = 0;
  for (const DashboardFile& file : kDashboardFiles) {
    packed_bytes += file.gzipped.size();
    EXPECT_EQ(Unzip(file.gzipped), file.bytes) << file.path;
    HttpRequest request;
    request.path = file.path;
    auto plain = ServeDashboard(request, alone);
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->body, file.bytes);
    EXPECT_EQ(HeaderOf(*plain, "Content-Encoding"), "");
    EXPECT_EQ(HeaderOf(*plain, "X-Content-Type-Options"), "nosniff");
    request.accepts_gzip = true;
    EXPECT_EQ(ServeDashboard(request, alone)->body, file.gzipped);
    EXPECT_EQ(HeaderOf(*ServeDashboard(request, alone), "Content-Encoding"), "gzip");
    request.if_none_match = "\"other\", W/" + std::string(file.etag);
    EXPECT_EQ(ServeDashboard(request, alone)->status, 304);
    EXPECT_TRUE(ServeDashboard(request, alone)->body.empty());
  }
  EXPECT_LT(packed_bytes, 300'000u);
}

TEST(DashboardFiles, TheRootIsThePageAndNothingElseIsThere) {
  HttpRequest request;
  request.path = "/";
  const CorsPolicy alone;
  const auto page = ServeDashboard(request, alone);
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->content_type.starts_with("text/html"));
  const std::string policy = HeaderOf(*page, "Content-Security-Policy");
  EXPECT_TRUE(policy.starts_with("default-src 'none'")) << policy;
  EXPECT_EQ(policy.find("unsafe"), std::string::npos) << policy;
  EXPECT_EQ(page->body.find("<script>"), std::string::npos);
  for (const char* path : {"/assets/../index.html", "/assets/", "/none", ""}) {
    request.path = path;
    EXPECT_FALSE(ServeDashboard(request, alone)) << path;
  }
}

// The directive of what the page may ask, as a server with these peers says it.
std::string ConnectPolicyWith(const std::vector<std::string>& addresses) {
  HttpRequest request;
  request.path = "/";
  const auto page = ServeDashboard(request, CorsPolicy("https://app.example", addresses));
  const std::string policy = HeaderOf(*page, "Content-Security-Policy");
  const size_t begin = policy.find("connect-src");
  return policy.substr(begin, policy.find(';', begin) - begin);
}

TEST(DashboardFiles, ThePageMayAskPeersAndNobodyElse) {
  EXPECT_EQ(ConnectPolicyWith({}), "connect-src 'self'");
  EXPECT_EQ(ConnectPolicyWith({"http://10.0.0.2:8080", "https://Quire.example/b?c=d"}),
            "connect-src 'self' http://10.0.0.2:8080 https://quire.example");
  EXPECT_EQ(ConnectPolicyWith({"http://[::1]:8081"}), "connect-src 'self'");
  for (const char* hostile :
       {"http://*", "http://*:8080", "http://a;script-src", "http://a,b", "http://'unsafe-inline'",
        "http://a\r\nSet-Cookie:b", "http://a:8080;x", "http://a b", "data:", "http://", "*"}) {
    EXPECT_EQ(ConnectPolicyWith({hostile}), "connect-src 'self'") << hostile;
  }
}

TEST(DashboardFiles, APageThatNamesPeersIsNotKept) {
  const CorsPolicy cors("", {"http://10.0.0.2:8080"});
  HttpRequest request;
  request.path = "/";
  const auto page = ServeDashboard(request, cors);
  EXPECT_EQ(HeaderOf(*page, "ETag"), "");
  EXPECT_EQ(HeaderOf(*page, "Cache-Control"), "no-store");
  request.if_none_match = HeaderOf(*ServeDashboard(request, CorsPolicy()), "ETag");
  ASSERT_NE(request.if_none_match, "");
  EXPECT_EQ(ServeDashboard(request, CorsPolicy())->status, 304);
  EXPECT_EQ(ServeDashboard(request, cors)->status, 200);
}

TEST(HttpMessage, GzipIsTakenWhereItIsAccepted) {
  for (const char* yes : {"gzip", "deflate, gzip, br", "br;q=1.0, gzip;q=0.8", "gzip;q=0.01"}) {
    EXPECT_TRUE(AcceptsGzip(yes)) << yes;
  }
  for (const char* no : {"", "identity", "br", "gzip;q=0", "gzip; q=0.000", "xgzip"}) {
    EXPECT_FALSE(AcceptsGzip(no)) << no;
  }
}

LiveShot TwoTenants() {
  LiveShot shot;
  shot.view.stats.blocks = 10;
  shot.view.stats.block_bytes = 1024;
  shot.view.tenants = {"beta", "acme"};  // in another order than by name
  shot.view.map = {{4, BlockState::kLive, 1}, {3, BlockState::kIdle, 0}, {3, BlockState::kFree, 0}};
  shot.view.requests = {{.id = RequestId{1}, .tenant = 0, .route = "say \"hi\""},
                        {.id = RequestId{2}, .tenant = 1}};
  shot.usage = {{.tenant = "acme", .live_bytes = 4096}, {.tenant = "beta", .idle_bytes = 3072}};
  prometheus::MetricFamily family;
  family.name = "quire_generated_tokens_total";
  for (const auto& [tenant, value] : {std::pair("acme", 7.0), std::pair("beta", 9.0)}) {
    prometheus::ClientMetric metric;
    metric.label = {{"tenant", tenant}};
    metric.counter.value = value;
    family.metric.push_back(metric);
  }
  shot.families = {family};
  return shot;
}

TEST(LiveJson, AnAdminSeesAll) {
  const Json seen = Json::parse(LiveJson(TwoTenants(), {.tenant = "root", .admin = true}));
  // Live of the first tenant of the list, idle of the second, free.
  EXPECT_EQ(seen["server"]["map"], Json::parse("[4, 1, 3, 5, 3, 0]"));
  EXPECT_EQ(seen["server"]["tokens"]["generated"], 16);
  EXPECT_EQ(seen["tenants"].size(), 2u);
  EXPECT_EQ(seen["tenants"][1]["tokens"]["generated"], 9);
  EXPECT_EQ(seen["requests"].size(), 2u);
  EXPECT_EQ(seen["requests"][0]["tenant"], "beta");
  EXPECT_EQ(seen["requests"][0]["route"], "say \"hi\"");
  EXPECT_EQ(seen["requests"][1]["route"], "");
}

TEST(LiveJson, ATenantSeesItsOwnAlone) {
  const std::string text = LiveJson(TwoTenants(), {.tenant = "acme", .admin = false});
  EXPECT_EQ(text.find("beta"), std::string::npos) << text;
  const Json seen = Json::parse(text);
  EXPECT_FALSE(seen.contains("server"));
  EXPECT_FALSE(seen.contains("requests_left_out"));
  EXPECT_EQ(seen["tenants"].size(), 1u);
  EXPECT_EQ(seen["tenants"][0]["tokens"]["generated"], 7);
  EXPECT_EQ(seen["requests"].size(), 1u);
  EXPECT_EQ(seen["requests"][0]["id"], RequestNumber(RequestId{2}));
}

TEST(LiveJson, ATreeNamesNobodyToATenant) {
  PrefixTree tree;
  tree.tenants = {"beta", "acme"};
  tree.nodes = {{.tenant = 1, .blocks = 4}, {.parent = 0, .tenant = 1, .blocks = 2}};
  const Json own = Json::parse(TreeJson(tree, {.tenant = "acme", .admin = false}));
  EXPECT_FALSE(own["nodes"][0].contains("tenant"));
  EXPECT_TRUE(own["nodes"][0]["parent"].is_null());
  EXPECT_EQ(own["nodes"][1]["parent"], 0);
  const Json all = Json::parse(TreeJson(tree, {.tenant = "root", .admin = true}));
  EXPECT_EQ(all["nodes"][0]["tenant"], "acme");
}

}  // namespace
}  // namespace quire
