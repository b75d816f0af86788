// The incremental translation against the full one, over random histories.
#include "control-plane/translation/translator.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "apk/v1/backend.pb.h"
#include "apk/v1/routes.pb.h"
#include "common/strings.h"
#include "tests/golden/golden_case.h"

namespace apk::golden {
namespace {

// A configuration as the control plane would keep it: uids and generations tell objects apart.
class History {
 public:
  // The whole object, as an apply replaces it.
  void Apply(const google::protobuf::Message& object) {
    std::shared_ptr<google::protobuf::Message> stored(object.New());
    stored->CopyFrom(object);
    v1::ObjectMeta* const metadata = MutableMetadataOf(*stored);
    const ResourcePtr before = resources.Find(KeyOf(object));
    metadata->set_uid(before == nullptr ? Concat("uid-", std::to_string(++made_))
                                        : MetadataOf(*before).uid());
    metadata->set_generation(++made_);
    resources.Put(std::move(stored));
  }
  void Write(const std::vector<ResourcePtr>& statuses) {
    for (const ResourcePtr& object : statuses) resources.Put(object);
  }

  ResourceSet resources;

 private:
  int64_t made_ = 0;
};

std::vector<std::string> Texts(const std::vector<ResourcePtr>& objects) {
  std::vector<std::string> texts;
  for (const ResourcePtr& object : objects) texts.push_back(object->DebugString());
  return texts;
}

std::vector<ResourcePtr> ObjectsIn(const std::string& manifest) {
  std::vector<ResourcePtr> objects;
  for (const auto& [key, object] : ReadResources(manifest).resources()) objects.push_back(object);
  return objects;
}

// Objects of all golden files: many have the same key, and are then states of one object.
std::vector<ResourcePtr> AllObjects() {
  std::vector<ResourcePtr> objects;
  for (const std::string& path : AllCases()) {
    for (const ResourcePtr& object : ObjectsIn(ReadCase(path).input)) objects.push_back(object);
  }
  return objects;
}

// Applies and deletes objects of the pool at random, and compares at each step.
void RunHistory(const std::vector<ResourcePtr>& pool, unsigned seed) {
  constexpr int kSteps = 120;
  std::mt19937 random(seed);
  const auto below = [&random](size_t limit) { return random() % limit; };
  FleetReport fleet;
  Translator translator;
  History history;
  std::vector<SharedResource> served;  // By the step before.
  for (const ResourcePtr& object : pool) {
    if (below(2) == 0) history.Apply(*object);
  }
  for (int step = 1; step <= kSteps; ++step) {
    const ResourceSet before = history.resources;
    for (size_t i = 0; i <= below(3); ++i) {
      const ResourcePtr& object = pool[below(pool.size())];
      if (below(3) == 0) {
        history.resources.Remove(KeyOf(*object));
      } else {
        history.Apply(*object);
      }
    }
    fleet.groups = {
        {.labels = {}, .agents = static_cast<int>(below(3)), .versions = {}, .addresses = {}}};
    fleet.held_back.refused.clear();
    for (size_t refused = below(3); refused > 0 && !served.empty(); --refused) {
      fleet.held_back.refused[served[below(served.size())]->name()] = "an agent says no";
    }
    const Translation full = Translate(history.resources, fleet, static_cast<uint64_t>(step), kNow);
    const Translator::Result incremental =
        translator.Translate(history.resources, fleet, static_cast<uint64_t>(step), kNow);
    ASSERT_EQ(full.snapshot.SerializeAsString(),
              incremental.snapshot->whole()->ToProto().SerializeAsString())
        << "step " << step;
    ASSERT_EQ(Texts(full.status_updates), Texts(incremental.status_updates)) << "step " << step;
    served = incremental.snapshot->whole()->resources;
    for (const ResourcePtr& object : incremental.status_updates) {
      ASSERT_EQ(incremental.resources.Find(KeyOf(*object)), object) << "step " << step;
    }
    const size_t outcome = below(5);
    if (outcome == 0) history.resources = before;                // It was a dry run.
    if (outcome > 1) history.Write(incremental.status_updates);  // Otherwise writing failed.
  }
}

// HTTPRoutes and GRPCRoutes of few names, ages and hostnames, on listeners that they want to share.
std::vector<ResourcePtr> ContendingRoutes(unsigned seed) {
  constexpr char kGateway[] = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: apk}
spec: {controllerName: apk.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: default}
spec:
  gatewayClassName: apk
  listeners:
  - {name: any, port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
  - name: some
    port: 8081
    protocol: HTTP
    hostname: "*.test"
    allowedRoutes: {namespaces: {from: All}}
)";
  std::vector<ResourcePtr> pool = ObjectsIn(kGateway);
  std::mt19937 random(seed);
  const auto one_of = [&random](std::initializer_list<const char*> choices) {
    return choices.begin()[random() % choices.size()];
  };
  for (int i = 0; i < 200; ++i) {
    const char* const kind = one_of({"HTTPRoute", "GRPCRoute"});
    const std::vector<ResourcePtr> route = ObjectsIn(
        Concat("apiVersion: gateway.networking.k8s.io/v1\nkind: ", kind, "\nmetadata: {name: r",
               std::to_string(random() % 6), ", namespace: ", one_of({"a", "a-b"}),
               ", creationTimestamp: \"2026-01-01T00:00:0", std::to_string(random() % 3),
               "Z\"}\nspec:\n  parentRefs: [{name: web, namespace: default",
               one_of({"", ", sectionName: any", ", sectionName: some"}), "}]\n  hostnames: [",
               one_of({"", "a.test", "b.test", "a.test, c.test", "\"*.test\"", "other.example"}),
               "]\n  rules: [{backendRefs: [{name: svc, port: 80}]}]\n"));
    pool.insert(pool.end(), route.begin(), route.end());
  }
  return pool;
}

class TranslatorHistory : public testing::TestWithParam<unsigned> {};

TEST_P(TranslatorHistory, GivesWhatAFullTranslationGives) { RunHistory(AllObjects(), GetParam()); }

TEST_P(TranslatorHistory, GivesWhatAFullTranslationGivesOfRoutesThatWantTheSameHostnames) {
  RunHistory(ContendingRoutes(GetParam()), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Seeds, TranslatorHistory, testing::Range(1u, 7u));

constexpr char kBase[] = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: apk}
spec: {controllerName: apk.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: default}
spec:
  gatewayClassName: apk
  listeners: [{name: http, port: 8080, protocol: HTTP}]
---
apiVersion: dp.wso2.com/v1alpha2
kind: Backend
metadata: {name: one, namespace: default}
spec: {services: [{host: one.example, port: 80}]}
---
apiVersion: dp.wso2.com/v1alpha2
kind: Backend
metadata: {name: two, namespace: default}
spec: {services: [{host: two.example, port: 80}]}
)";

std::string Route(const std::string& name, const std::string& backend) {
  return "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: " +
         name +
         ", namespace: default}\nspec:\n  parentRefs: [{name: web}]\n  rules:\n  - backendRefs: "
         "[{group: dp.wso2.com, kind: Backend, name: " +
         backend + "}]\n";
}

TEST(Translator, TranslatesOnlyTheRoutesThatSomethingChangedFor) {
  std::string text = kBase;
  for (int i = 0; i < 20; ++i) {
    text += Route(Concat("r", std::to_string(i)), i % 2 == 0 ? "one" : "two");
  }
  History history;
  for (const auto& [key, object] : ReadResources(text).resources()) history.Apply(*object);
  Translator translator;
  const auto translate = [&] {
    Translator::Result result = translator.Translate(history.resources, FleetReport(), 1, kNow);
    history.Write(result.status_updates);
    return result.routes_translated;
  };
  EXPECT_EQ(translate(), 20);
  EXPECT_EQ(translate(), 0);

  const auto apply = [&](const std::string& manifest) {
    for (const auto& [key, object] : ReadResources(manifest).resources()) history.Apply(*object);
  };
  apply(Route("new", "one"));
  EXPECT_EQ(translate(), 1);
  EXPECT_EQ(translate(), 0);  // The Gateway's status counts one more: that is no reason.
  apply(
      "apiVersion: dp.wso2.com/v1alpha2\nkind: Backend\nmetadata: {name: two, namespace: "
      "default}\nspec: {services: [{host: elsewhere.example, port: 80}]}\n");
  EXPECT_EQ(translate(), 10);
  history.resources.Remove({"gateway.networking.k8s.io", "HTTPRoute", "default", "r3"});
  EXPECT_EQ(translate(), 0);
  apply(
      "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: web, namespace: "
      "default}\nspec: {gatewayClassName: apk, listeners: [{name: http, port: 8081, protocol: "
      "HTTP}]}\n");
  EXPECT_EQ(translate(), 20);
}

std::string OfHost(const char* kind, const std::string& name, int second, const std::string& host) {
  return Concat(
      "---\napiVersion: gateway.networking.k8s.io/v1\nkind: ", kind, "\nmetadata: {name: ", name,
      ", namespace: default, creationTimestamp: ", "\"2026-01-01T00:00:0", std::to_string(second),
      "Z\"}\nspec:\n  parentRefs: [{name: web}]\n  hostnames: [", host,
      "]\n  rules: [{backendRefs: [{group: dp.wso2.com, kind: Backend, name: one}]}]\n");
}

TEST(Translator, ARouteIsAReasonForThoseOfTheOtherKindThatWantItsHostname) {
  std::string text = kBase;
  for (int i = 0; i < 10; ++i) {
    text += OfHost("HTTPRoute", Concat("r", std::to_string(i)), 5,
                   Concat("h", std::to_string(i), ".test"));
  }
  History history;
  for (const ResourcePtr& object : ObjectsIn(text)) history.Apply(*object);
  Translator translator;
  const auto translate = [&] {
    Translator::Result result = translator.Translate(history.resources, FleetReport(), 1, kNow);
    history.Write(result.status_updates);
    return result.routes_translated;
  };
  const auto apply = [&](const std::string& manifest) {
    for (const ResourcePtr& object : ObjectsIn(manifest)) history.Apply(*object);
  };
  EXPECT_EQ(translate(), 10);
  apply(OfHost("GRPCRoute", "g", 9, "g.test"));
  EXPECT_EQ(translate(), 1);
  apply(OfHost("HTTPRoute", "r3", 5, "other.test"));
  EXPECT_EQ(translate(), 1);
  apply(OfHost("GRPCRoute", "g", 9, "h2.test"));  // Which r2 has, and keeps: it is older.
  EXPECT_EQ(translate(), 1);
  history.resources.Remove({"gateway.networking.k8s.io", "HTTPRoute", "default", "r2"});
  EXPECT_EQ(translate(), 1);  // The GRPCRoute gets it.
  apply(OfHost("GRPCRoute", "old", 1, "h4.test"));
  EXPECT_EQ(translate(), 2);  // And r4 loses it.
  history.resources.Remove({"gateway.networking.k8s.io", "GRPCRoute", "default", "old"});
  EXPECT_EQ(translate(), 1);
}

TEST(Translator, ARouteThatAnAgentRefusesSaysSoForAsLongAsItDoes) {
  History history;
  for (const ResourcePtr& object : ObjectsIn(kBase + Route("new", "one"))) history.Apply(*object);
  Translator translator;
  FleetReport fleet;
  const auto programmed = [&] {
    history.Write(translator.Translate(history.resources, fleet, 1, kNow).status_updates);
    std::string text;
    const auto* const route = history.resources.Find<v1::HTTPRoute>("default", "new");
    for (const v1::Condition& condition : route->status().parents(0).conditions()) {
      if (condition.type() == "Programmed") text = condition.status() + " " + condition.message();
    }
    return text;
  };
  EXPECT_EQ(programmed(), "");
  fleet.held_back.refused["route/default/new"] = "agent a: no such filter";
  EXPECT_EQ(programmed(), "False agent a: no such filter");
  EXPECT_EQ(programmed(), "False agent a: no such filter");
  fleet.held_back.refused.clear();
  EXPECT_EQ(programmed(), "");
}

}  // namespace
}  // namespace apk::golden
