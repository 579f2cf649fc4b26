// Who may end which request, and what the path must look like.
#include "server/running_requests.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace quire {
namespace {

using Json = nlohmann::json;

class RunningRequestsTest : public testing::Test {
 protected:
  RunningRequestsTest() {
    running_.Add(RequestId{7}, {"acme", "req-7", [this] { ++revoked_; }});
  }

  static std::string Path() {
    return "/v1/requests/" + std::to_string(RequestNumber(RequestId{7})) + "/cancel";
  }
  int Ask(std::string_view path, const Caller& caller) {
    const HttpResponse response = CancelRequest(running_, path, caller);
    last_ = Json::parse(response.body);
    return response.status;
  }

  RunningRequests running_;
  int revoked_ = 0;
  Json last_;
};

TEST_F(RunningRequestsTest, ATenantEndsItsOwn) {
  EXPECT_EQ(Ask(Path(), {.tenant = "acme", .admin = false}), 200);
  EXPECT_EQ(revoked_, 1);
  EXPECT_EQ(last_, (Json{{"id", RequestNumber(RequestId{7})},
                         {"object", "request.cancelled"},
                         {"request_id", "req-7"}}));
}

TEST_F(RunningRequestsTest, AnAdminEndsAnybodys) {
  EXPECT_EQ(Ask(Path(), {.tenant = "root", .admin = true}), 200);
  EXPECT_EQ(revoked_, 1);
}

TEST_F(RunningRequestsTest, AnothersLooksLikeOneThatIsNotThere) {
  const Caller other{.tenant = "beta", .admin = false};
  EXPECT_EQ(Ask(Path(), other), 404);
  const Json of_another = last_;
  running_.Remove(RequestId{7});
  EXPECT_EQ(Ask(Path(), other), 404);
  EXPECT_EQ(of_another, last_);
  EXPECT_EQ(revoked_, 0);
}

TEST_F(RunningRequestsTest, WhatIsOverIsNotThere) {
  running_.Remove(RequestId{7});
  EXPECT_EQ(Ask(Path(), {}), 404);
  EXPECT_EQ(revoked_, 0);
}

TEST_F(RunningRequestsTest, OtherPathsAreNotThere) {
  for (const char* path :
       {"/v1/requests/7", "/v1/requests//cancel", "/v1/requests/cancel", "/v1/requests/7/cancel/",
        "/v1/requests/-7/cancel", "/v1/requests/7x/cancel", "/v1/requests/ 7/cancel",
        "/v1/requests/99999999999999999999999/cancel", "/v1/requests/7/8/cancel"}) {
    EXPECT_EQ(Ask(path, {}), 404) << path;
  }
  EXPECT_EQ(revoked_, 0);
}

}  // namespace
}  // namespace quire
