#include "data-plane/http/grpc.h"

#include <gtest/gtest.h>

#include <string>

namespace apk {
namespace {

bool IsGrpcWith(uint8_t major_version, const std::string& type) {
  RequestHead head;
  head.major_version = major_version;
  head.headers.Add("Content-Type", type);
  return IsGrpc(head);
}

TEST(Grpc, IsTheContentTypeOverHttp2) {
  EXPECT_TRUE(IsGrpcWith(2, "application/grpc"));
  EXPECT_TRUE(IsGrpcWith(2, "application/grpc+proto"));
  EXPECT_TRUE(IsGrpcWith(2, "application/grpc;x=y"));
  EXPECT_FALSE(IsGrpcWith(2, "application/grpc-web"));
  EXPECT_FALSE(IsGrpcWith(2, "application/json"));
  EXPECT_FALSE(IsGrpcWith(1, "application/grpc"));
  EXPECT_FALSE(IsGrpc(RequestHead()));
}

TEST(Grpc, StatusesStandForHttpOnes) {
  EXPECT_EQ(GrpcStatusOf(404), "12");
  EXPECT_EQ(GrpcStatusOf(401), "16");
  EXPECT_EQ(GrpcStatusOf(503), "14");
  EXPECT_EQ(GrpcStatusOf(500), "14");
  EXPECT_EQ(GrpcStatusOf(418), "2");
}

}  // namespace
}  // namespace apk
