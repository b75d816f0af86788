// What people read, and paste into tickets.
#include "control-plane/apkctl/describe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control-plane/apkctl/manifest/read_manifest.h"

namespace apk {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string DescribeText(const std::string& text) {
  const ManifestResult result = ReadManifest(text, "f.yaml");
  if (result.documents.empty())
    return result.problems.empty() ? "empty" : result.problems[0].message;
  return Describe(*result.documents[0].object);
}

TEST(Describe, TitlesAreKubectls) {
  EXPECT_EQ(TitleOf("parentRefs"), "Parent Refs");
  EXPECT_EQ(TitleOf("apiVersion"), "API Version");
  EXPECT_EQ(TitleOf("uid"), "UID");
  EXPECT_EQ(TitleOf("clusterIP"), "Cluster IP");
  EXPECT_EQ(TitleOf("gatewayClassName"), "Gateway Class Name");
  EXPECT_EQ(TitleOf("requestMirror"), "Request Mirror");
}

TEST(Describe, ValuesOfNeighboursStandInOneColumn) {
  EXPECT_EQ(DescribeText("apiVersion: dp.wso2.com/v1alpha2\nkind: Backend\n"
                         "metadata: {name: a, namespace: n, labels: {x: '1', y: ''}}\n"
                         "spec:\n  basePath: ''\n  protocol: https\n  services:\n"
                         "  - {host: h, port: 1}\n  - {host: i, port: 2}\n"),
            "Name:         a\n"
            "Namespace:    n\n"
            "Labels:       x=1\n"
            "              y=\n"
            "Annotations:  <none>\n"
            "API Version:  dp.wso2.com/v1alpha2\n"
            "Kind:         Backend\n"
            "Spec:\n"
            "  Services:\n"
            "    Host:  h\n"
            "    Port:  1\n"
            "    --\n"
            "    Host:  i\n"
            "    Port:  2\n"
            "  Protocol:   https\n"
            "  Base Path:  \"\"\n");
}

TEST(Describe, SecretsShowSizesOnly) {
  const std::string text = DescribeText(
      "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: Opaque\n"
      "data: {password: aHVudGVyMg==, empty: ''}\nstringData: {}\n");
  EXPECT_THAT(text,
              HasSubstr("Type:  Opaque\n\nData\n====\nempty:     0 bytes\npassword:  7 bytes\n"));
  EXPECT_THAT(text, Not(HasSubstr("aHVudGVyMg")));
  EXPECT_THAT(text, Not(HasSubstr("hunter2")));
}

TEST(Describe, TextOfManyLinesStaysSoAndSteersNoTerminal) {
  const std::string text = DescribeText(
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: {n: \"\\e[31m\\nred\"}}\n"
      "data: {k: \"one\\n\\ttwo\\e]0;title\\a\\n\", e: ''}\n");
  EXPECT_THAT(text, HasSubstr("Annotations:  n: \\x1b[31m\\x0ared\n"));
  EXPECT_THAT(text,
              HasSubstr("Data\n====\ne:\n----\n\n\nk:\n----\none\n\\x09two\\x1b]0;title\\x07\n"));
  EXPECT_EQ(text.find('\033'), std::string::npos);
}

}  // namespace
}  // namespace apk
