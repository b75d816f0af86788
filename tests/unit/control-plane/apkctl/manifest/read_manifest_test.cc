// Manifests: what is taken, and what is refused where and how.
#include "control-plane/apkctl/manifest/read_manifest.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apk/v1/backend.pb.h"
#include "apk/v1/core.pb.h"
#include "apk/v1/routes.pb.h"
#include "control-plane/resources/json.h"
#include "control-plane/resources/resource_set.h"
#include "control-plane/validation/validate.h"

namespace apk {
namespace {

constexpr char kPageBackend[] = R"(apiVersion: "dp.wso2.com/v1alpha1"
kind: "Backend"
metadata:
  name: "mirror-backend"
spec:
  services:
    - host: "webhook.site"
      port: 443
  basePath: "/30cd1472-d4ac-4440-ab8d-66fc0a789c7b"
  protocol: "https"
)";

constexpr char kPageRoute[] = R"(apiVersion: "gateway.networking.k8s.io/v1beta1"
kind: "HTTPRoute"
metadata:
  name: "production-httproute"
spec:
  hostnames:
  - "default.gw.wso2.com"
  rules:
  - matches:
    - path:
        type: "RegularExpression"
        value: "/uuid"
      method: "GET"
    filters:
    - type: "RequestMirror"
      requestMirror:
        backendRef:
          group: "dp.wso2.com"
          kind: "Backend"
          name: "mirror-backend"
  parentRefs:
  - group: "gateway.networking.k8s.io"
    kind: "Gateway"
    name: "wso2-apk-default"
    sectionName: "httpslistener"
)";

ManifestResult Read(const std::string& text) { return ReadManifest(text, "f.yaml"); }

std::string Show(const ManifestProblem& problem) {
  return problem.at.file + ":" + std::to_string(problem.at.line) + ":" +
         std::to_string(problem.at.column) + ": " + problem.field_path + ": " + problem.message +
         (problem.hint.empty() ? "" : " (" + problem.hint + ")");
}

TEST(ReadManifest, TakesTheDocumentsOfTheMirroringGuideAsTheyStand) {
  const ManifestResult result = Read(std::string(kPageBackend) + "---\n" + kPageRoute);
  ASSERT_TRUE(result.problems.empty()) << Show(result.problems[0]);
  ASSERT_EQ(result.documents.size(), 2u);
  const auto& backend = static_cast<const v1::Backend&>(*result.documents[0].object);
  EXPECT_EQ(backend.spec().services(0).host(), "webhook.site");
  EXPECT_EQ(backend.spec().services(0).port(), 443);
  EXPECT_TRUE(Validate(backend).empty());
  const auto& route = static_cast<const v1::HTTPRoute&>(*result.documents[1].object);
  EXPECT_EQ(route.spec().rules(0).filters(0).request_mirror().backend_ref().name(),
            "mirror-backend");
  const std::vector<FieldIssue> issues = Validate(route);
  ASSERT_EQ(issues.size(), 1u);
  EXPECT_EQ(issues[0].severity, FieldIssue::Severity::kWarning);
  EXPECT_EQ(issues[0].field_path, "spec.rules[0]");
  const SourcePosition at = result.documents[1].Locate("spec.rules[0]");
  EXPECT_EQ(at.line, 20u);  // 10 lines of the Backend, then the separator.
  EXPECT_EQ(at.column, 5u);
}

struct Refusal {
  const char* name;
  std::string text;
  std::string problem;
};

class Refuses : public testing::TestWithParam<Refusal> {};

TEST_P(Refuses, WithPlaceReasonAndHint) {
  const ManifestResult result = Read(GetParam().text);
  ASSERT_FALSE(result.problems.empty());
  EXPECT_EQ(Show(result.problems[0]), GetParam().problem);
  EXPECT_TRUE(result.documents.empty());
}

std::string WithSpec(const std::string& spec) {
  return "apiVersion: dp.wso2.com/v1alpha2\nkind: Backend\nmetadata: {name: a}\nspec:\n" + spec;
}

INSTANTIATE_TEST_SUITE_P(
    ReadManifest, Refuses,
    testing::Values(
        Refusal{"UnknownField", WithSpec("  protocl: http\n"),
                "f.yaml:5:3: spec.protocl: there is no such field (did you mean \"protocol\"?)"},
        Refusal{"SwappedLetters", WithSpec("  baesPath: /\n"),
                "f.yaml:5:3: spec.baesPath: there is no such field (did you mean \"basePath\"?)"},
        Refusal{"StringForNumber", WithSpec("  services: [{host: a, port: \"80\"}]\n"),
                "f.yaml:5:30: spec.services[0].port: must be a whole number, found the string "
                "\"80\" (write it without quotes)"},
        Refusal{"NumberForString", WithSpec("  basePath: 1\n"),
                "f.yaml:5:13: spec.basePath: must be a string, found the number 1 (write it in "
                "quotes: \"1\")"},
        Refusal{"MapForList", WithSpec("  services: {host: a}\n"),
                "f.yaml:5:13: spec.services: must be a list, found a map (begin each item with "
                "\"- \")"},
        Refusal{"ListForMap", WithSpec("  tls: []\n"),
                "f.yaml:5:8: spec.tls: must be a map, found a list"},
        Refusal{"KeyTwice", WithSpec("  protocol: http\n  protocol: https\n"),
                "f.yaml:6:3: spec.protocol: stands twice in the same map (keep one of them)"},
        Refusal{"NoKind", "apiVersion: v1\nmetadata: {name: a}\n",
                "f.yaml:1:1: kind: is required (for example HTTPRoute)"},
        Refusal{"UnknownKind", "apiVersion: dp.wso2.com/v1alpha1\nkind: Backedn\n",
                "f.yaml:2:7: kind: there is no kind \"Backedn\" (did you mean Backend?)"},
        Refusal{"UnknownVersion", "apiVersion: dp.wso2.com/v9\nkind: Backend\n",
                "f.yaml:1:13: apiVersion: \"dp.wso2.com/v9\" does not exist for kind Backend (the "
                "versions are v1alpha1, v1alpha2)"},
        Refusal{"WrongGroup", "apiVersion: v1\nkind: Backend\n",
                "f.yaml:2:7: apiVersion: kind Backend is not of group \"\" (use apiVersion "
                "dp.wso2.com/v1alpha2)"},
        Refusal{"NoMap", "just text\n",
                "f.yaml:1:1: : a resource is a map with apiVersion, kind and metadata, found the "
                "string \"just text\""},
        Refusal{"NoBase64", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {k: '!'}\n",
                "f.yaml:4:11: data.k: must be Base64 (for plain text use stringData)"},
        Refusal{"BooleanForString", WithSpec("  basePath: yes\n"),
                "f.yaml:5:13: spec.basePath: must be a string, found the boolean yes (write it in "
                "quotes: \"yes\")"},
        Refusal{
            "StringForBoolean",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nimmutable: \"true\"\n",
            "f.yaml:4:12: immutable: must be true or false, found the string \"true\" (write it "
            "without quotes)"},
        Refusal{
            "NumberTooLarge",
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"
            "spec: {sessionAffinityConfig: {x: [1e999]}}\n",
            "f.yaml:4:36: spec.sessionAffinityConfig.x[0]: the number 1e999 is too large (write "
            "it in quotes)"},
        Refusal{"UnknownTag", "a: !!binary aGk=\n",
                "f.yaml:1:4: : the tag !!binary can't be used here; write a plain value"},
        Refusal{"AliasInsideOfItsAnchor", "a: &x [*x]\n",
                "f.yaml:1:8: : this alias stands inside of what it repeats"},
        Refusal{"NameThatIsAMap", WithSpec("  ? {a: 1}\n  : 2\n"),
                "f.yaml:5:5: spec.: a name must be text, found a map"},
        Refusal{"NoUtf8", "a: 1\nb: \"x\xff\"\n",
                "f.yaml:2:6: : the byte 0xff is no UTF-8; save the file as UTF-8"},
        Refusal{"Utf16", std::string("\xff\xfe") + "a",
                "f.yaml:1:1: : is UTF-16; save the file as UTF-8"},
        Refusal{"EndOfTransmission", "a: 1\nb: x\x04y\n",
                "f.yaml:2:5: : the control character 0x04 can't stand here; in a quoted text write "
                "it as an escape"},
        Refusal{"JsonUnclosed", "{\"apiVersion\": \"v1\",\n \"kind\": \"Secret\"",
                "f.yaml:2:18: : the JSON ends too early: \",\" or \"}\" is missing"},
        Refusal{"JsonWord", "{\"apiVersion\": \"v1\",\n \"kind\": Secret, \"x\": [}",
                "f.yaml:2:10: : is no JSON: a value is expected, found \"S\""},
        Refusal{"JsonHalfSurrogate", R"({"a": "x\ud83d"})",
                "f.yaml:1:9: : this escape is one half of a surrogate pair; the other half is "
                "missing"},
        Refusal{"JsonNumberForString",
                R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":1}})",
                "f.yaml:1:75: data.k: must be a string, found the number 1 (write it in quotes: "
                "\"1\")"}),
    [](const auto& test) { return test.param.name; });

TEST(ReadManifest, NamesEveryProblemOfADocument) {
  const ManifestResult result = Read(WithSpec("  a: 1\n  b: 2\n  protocol: [x]\n"));
  EXPECT_EQ(result.problems.size(), 3u);
}

TEST(ReadManifest, CountsTheProblemsThatItDoesNotKeep) {
  std::string fields;
  for (int i = 0; i < 60; ++i) fields += "  f" + std::to_string(i) + ": 1\n";
  const ManifestResult result = Read(WithSpec(fields));
  EXPECT_EQ(result.problems.size(), 50u);
  EXPECT_EQ(result.problem_count, 60u);
}

// Quadratic work would take minutes here.
TEST(ReadManifest, NinetyThousandKeysAreReadInOneGo) {
  std::string text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n";
  for (int i = 0; i < 90'000; ++i) text += "  k" + std::to_string(i) + ": ''\n";
  const ManifestResult result = Read(text);
  ASSERT_EQ(result.problem_count, 1u);  // Larger than an object may be.
  EXPECT_EQ(result.problems[0].message, "the object is larger than 1 MiB");
}

TEST(ReadManifest, NumbersOfAnySizeAreRead) {
  const ManifestResult result = Read(
      "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"
      "spec: {sessionAffinityConfig: {small: 1e-310, large: 1e308, word: nan, other: infinity}}\n");
  ASSERT_TRUE(result.problems.empty()) << Show(result.problems[0]);
  const auto& fields = static_cast<const v1::Service&>(*result.documents[0].object)
                           .spec()
                           .session_affinity_config()
                           .fields();
  EXPECT_EQ(fields.at("small").number_value(), 1e-310);
  EXPECT_EQ(fields.at("large").number_value(), 1e308);
  EXPECT_EQ(fields.at("word").string_value(), "nan");
  EXPECT_EQ(fields.at("other").string_value(), "infinity");
}

std::string DataOf(const ManifestResult& result, const std::string& key) {
  if (result.documents.empty()) return "no document";
  return static_cast<const v1::ConfigMap&>(*result.documents[0].object).data().at(key);
}

TEST(ReadManifest, WordsThatLookLikeNumbersElsewhereAreText) {
  const ManifestResult result = Read(
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
      "data: {a: nan, b: inf, c: Infinity, d: !!str 12, e: !!str true, f: '1'}\n");
  ASSERT_TRUE(result.problems.empty()) << Show(result.problems[0]);
  EXPECT_EQ(DataOf(result, "a"), "nan");
  EXPECT_EQ(DataOf(result, "c"), "Infinity");
  EXPECT_EQ(DataOf(result, "d"), "12");
  EXPECT_EQ(DataOf(result, "e"), "true");
}

TEST(ReadManifest, BooleansMayBeWrittenAsKubernetesReadsThem) {
  for (const char* const word : {"true", "True", "yes", "on"}) {
    const ManifestResult result = Read(
        std::string("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nimmutable: ") + word);
    ASSERT_TRUE(result.problems.empty()) << Show(result.problems[0]);
    EXPECT_TRUE(static_cast<const v1::ConfigMap&>(*result.documents[0].object).immutable());
  }
}

TEST(ReadManifest, AliasesRepeatAndMergeKeysFillIn) {
  const ManifestResult result = Read(
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: &common {x: '1', y: '2'}}\n"
      "data: {<<: *common, y: own, z: &text long, again: *text}\n");
  ASSERT_TRUE(result.problems.empty()) << Show(result.problems[0]);
  EXPECT_EQ(DataOf(result, "x"), "1");
  EXPECT_EQ(DataOf(result, "y"), "own");
  EXPECT_EQ(DataOf(result, "again"), "long");
}

TEST(ReadManifest, AliasesCannotGrowWithoutEnd) {
  std::string text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) text += (j > 0 ? ", " : "") + before;
    text += "]\n";
  }
  const ManifestResult result = Read(text);
  ASSERT_EQ(result.problem_count, 1u);
  EXPECT_EQ(result.problems[0].message, "the document has too many values");
}

TEST(ReadManifest, JsonEscapesAndSeveralObjectsAreTaken) {
  const ManifestResult result = Read(
      R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"\ud83d\ude00\u00e4\n\"\/"}})"
      "\n"
      R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"}})"
      "\n---\n"
      R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}})");
  ASSERT_TRUE(result.problems.empty()) << Show(result.problems[0]);
  ASSERT_EQ(result.documents.size(), 3u);
  EXPECT_EQ(DataOf(result, "k"), "\xf0\x9f\x98\x80\xc3\xa4\n\"/");
  EXPECT_EQ(result.documents[2].at.line, 4u);
}

TEST(ReadManifest, FlowStyleThatIsNoJsonIsYaml) {
  const ManifestResult result =
      Read("{\"apiVersion\": v1, kind: ConfigMap, metadata: {name: a,}, }\n");
  ASSERT_TRUE(result.problems.empty()) << Show(result.problems[0]);
  EXPECT_EQ(result.documents.size(), 1u);
}

// What `get -o yaml` and `get -o json` print of many objects is larger than one object may be.
TEST(ReadManifest, AListMayBeLargerThanAnObject) {
  nlohmann::ordered_json list = {
      {"apiVersion", "v1"}, {"kind", "List"}, {"items", nlohmann::ordered_json::array()}};
  for (int i = 0; i < 3; ++i) {
    list["items"].push_back({{"apiVersion", "v1"},
                             {"kind", "ConfigMap"},
                             {"metadata", {{"name", "m" + std::to_string(i)}}},
                             {"data", {{"k", std::string(700'000, 'x')}}}});
  }
  for (const std::string& text : {list.dump(4), ToYaml(list)}) {
    const ManifestResult result = Read(text);
    ASSERT_TRUE(result.problems.empty()) << Show(result.problems[0]);
    EXPECT_EQ(result.documents.size(), 3u);
  }
}

TEST(ReadManifest, ListsOfListsAreFlattened) {
  const ManifestResult result = Read(
      "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n"
      "  - {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n- apiVersion: v1\n"
      "  kind: ConfigMapList\n  items:\n");
  ASSERT_TRUE(result.problems.empty()) << Show(result.problems[0]);
  EXPECT_EQ(result.documents.size(), 1u);
}

TEST(ReadManifest, NestingIsLimited) {
  const ManifestResult result = Read(std::string(100, '[') + std::string(100, ']'));
  ASSERT_EQ(result.problems.size(), 1u);
  EXPECT_EQ(result.problems[0].message, "is nested too deeply");
}

TEST(ReadManifest, TakesJsonListsNullsAndEmptyDocuments) {
  const ManifestResult json = Read(
      R"({"apiVersion":"v1","kind":"List","items":[
         {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":null},"data":{"k":"1"}},
         {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"b"}}]})");
  ASSERT_TRUE(json.problems.empty()) << Show(json.problems[0]);
  EXPECT_EQ(json.documents.size(), 2u);
  EXPECT_TRUE(Read("---\n# nothing\n---\n").documents.empty());
  EXPECT_TRUE(Read("").problems.empty());
}

TEST(ReadManifest, IntOrStringTakesBothAndIsPrintedAsItWas) {
  const ManifestResult result = Read(
      "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports:\n"
      "  - {port: 80, targetPort: 8080}\n  - {port: 81, targetPort: web}\n");
  ASSERT_TRUE(result.problems.empty()) << Show(result.problems[0]);
  const std::string yaml = ToYaml(*result.documents[0].object);
  EXPECT_NE(yaml.find("targetPort: 8080\n"), std::string::npos) << yaml;
  EXPECT_NE(yaml.find("targetPort: web\n"), std::string::npos) << yaml;
}

TEST(ReadManifest, WhatIsPrintedIsReadBackTheSame) {
  const std::string text =
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {n: 'true', o: '1.5'}}\n"
      "data:\n  block: |\n    two\n    lines\n  keep: \"a\\n\\n\"\n  odd: \"- x: #y\"\n"
      "  empty: ''\n  date: '2026-01-01'\n  colon: 'a: b'\n  nul: 'null'\n  control: \"\\u0001\"\n";
  const ManifestResult first = Read(text);
  ASSERT_TRUE(first.problems.empty()) << Show(first.problems[0]);
  const std::string yaml = ToYaml(*first.documents[0].object);
  const ManifestResult second = Read(yaml);
  ASSERT_TRUE(second.problems.empty()) << yaml << Show(second.problems[0]);
  EXPECT_EQ(ToYaml(*second.documents[0].object), yaml);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*second.documents[0].object,
                                                                 *first.documents[0].object))
      << yaml;
}

}  // namespace
}  // namespace apk
