// Marks of copies: whom they convince.
#include "data-plane/forward/mirror_mark.h"

#include <gtest/gtest.h>

#include "common/strings.h"

namespace apk {
namespace {

const std::string kKey(16, 'k');

RequestHead Request(std::string_view id, std::string_view via = "") {
  RequestHead request;
  request.headers.Add("X-Request-Id", id);
  if (!via.empty()) request.headers.Add("Via", via);
  return request;
}

TEST(MirrorMark, IsKnownAmongWhatOthersSaidInVia) {
  MirrorMarks marks;
  const std::string mark(marks.For(kKey, Request("7")));
  EXPECT_EQ(mark.size(), std::string_view("(mirror )").size() + 32);
  EXPECT_TRUE(marks.IsOn(kKey, Request("7", Concat("1.1 apk ", mark))));
  const std::string foreign(marks.For("another key, too", Request("7")));
  RequestHead request = Request("7", "1.0 fred");
  request.headers.Add("Via", Concat("1.1 apk ", foreign, ", 1.1 apk ", mark, ", 2 last (x)"));
  EXPECT_TRUE(marks.IsOn(kKey, request));
}

TEST(MirrorMark, IsTheSameInEveryWorkerAndAgent) {
  MirrorMarks marks;
  MirrorMarks others;
  EXPECT_EQ(marks.For(kKey, Request("7")), others.For(kKey, Request("7")));
}

TEST(MirrorMark, OfAnotherRequestOrGatewayMeansNothing) {
  MirrorMarks marks;
  const std::string mark = Concat("1.1 apk ", marks.For(kKey, Request("7")));
  EXPECT_FALSE(marks.IsOn(kKey, Request("8", mark)));
  EXPECT_FALSE(marks.IsOn("another key, too", Request("7", mark)));
}

TEST(MirrorMark, WhatIsMadeUpMeansNothing) {
  MirrorMarks marks;
  const std::string mark(marks.For(kKey, Request("7")));
  for (const std::string& via :
       {std::string("1.1 apk"), std::string("1.1 apk (mirror)"), std::string("1.1 apk (mirror "),
        "1.1 apk " + mark.substr(0, mark.size() - 1), "(mirror " + std::string(32, '0') + ")"}) {
    EXPECT_FALSE(marks.IsOn(kKey, Request("7", via))) << via;
  }
  EXPECT_FALSE(marks.IsOn(kKey, Request("7")));
}

}  // namespace
}  // namespace apk
